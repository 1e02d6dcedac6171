"""What an operator sees of frozen cohorts, and how one is let go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from flame_node_agent.cohort.snapshots import Member, Snapshot, SnapshotStore, query_hash
from flame_node_agent.devstack.postgres import PostgresAccess
from tests.acceptance.commands import flame_node
from tests.integration.stores.journal_ground import open_journals
from tests.unit.settings_samples import TASKS

QUERY = "SELECT person_id FROM omop.person WHERE year_of_birth < 1950"


async def _members() -> AsyncIterator[Sequence[Member]]:
    yield [("person", "41"), ("person", "42")]


async def _freeze(database: PostgresAccess, project: UUID) -> None:
    frozen = Snapshot(project, QUERY, query_hash(QUERY), 17, 12, ("person_id",), datetime.now(UTC))
    async with open_journals(database) as opened:
        await SnapshotStore(opened.database).freeze(frozen, _members())


@pytest.fixture
def frozen(postgres_database: Callable[[], PostgresAccess]) -> tuple[dict[str, str], UUID]:
    """Settings of a node with a frozen cohort, and its project."""
    database, project = postgres_database(), uuid4()
    with ThreadPoolExecutor(1) as worker:  # whose thread has no event loop of pytest's
        worker.submit(asyncio.run, _freeze(database, project)).result()
    return TASKS | database.variables(), project


def test_a_frozen_cohort_is_listed_and_let_go(frozen: tuple[dict[str, str], UUID], tmp_path: Path) -> None:
    environment, project = frozen

    def command(*arguments: str) -> tuple[int, str]:
        ended = flame_node("snapshots", *arguments, environment=environment, directory=tmp_path)
        return ended.returncode, ended.stdout + ended.stderr

    code, text = command("list")
    assert code == 0
    (line,) = text.splitlines()[1:]
    assert line.split()[:4] == [str(project), "17", "12", "person_id"]
    assert QUERY not in text
    code, text = command("delete", str(project))
    assert (code, str(project) in text) == (0, True)
    assert len(command("list")[1].splitlines()) == 1
    assert command("delete", str(project)) == (1, f"no cohort is frozen for the project {project}\n")
