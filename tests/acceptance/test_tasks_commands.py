"""What an operator sees of the hub's tasks, and what not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from flame_node_agent.devstack.postgres import PostgresAccess
from flame_node_agent.stores.journal_rows import CloseReason
from flame_node_agent.wire.tasks import Outcome
from tests.acceptance.commands import flame_node
from tests.integration.stores.journal_ground import departure, open_journals, task
from tests.unit.settings_samples import TASKS

QUESTION, ANSWER = "a sealed question", "an answer about patients"
UNKNOWN, AWAY = 1, 3


async def _fill(database: PostgresAccess) -> UUID:
    """A task that waits, one that is done, and one that the hub has refused, whose id is returned."""
    async with open_journals(database) as journals:
        await journals.journal.receive([task(payload=QUESTION), task(payload=QUESTION)])
        for run in await journals.claim():
            await journals.journal.finish(run, Outcome(True, ANSWER))
        (refused,) = await journals.reports.claim(1)
        await journals.reports.close(refused, CloseReason.REFUSED, departure(refused), "404: Task not found")
        await journals.journal.receive([task("get_imaging_status", payload=QUESTION)])
        return refused.task_id


@pytest.fixture
def filled(postgres_database: Callable[[], PostgresAccess]) -> tuple[dict[str, str], UUID]:
    """Settings of a node with tasks, and the refused one among them."""
    database = postgres_database()
    with ThreadPoolExecutor(1) as worker:  # whose thread has no event loop of pytest's
        refused = worker.submit(asyncio.run, _fill(database)).result()
    return TASKS | database.variables(), refused


def test_tasks_are_listed_shown_and_reported_again(
    filled: tuple[dict[str, str], UUID], tmp_path: Path
) -> None:
    environment, refused = filled

    def command(*arguments: str) -> tuple[int, str]:
        ended = flame_node("tasks", *arguments, environment=environment, directory=tmp_path)
        assert QUESTION not in ended.stdout
        assert ANSWER not in ended.stdout
        return ended.returncode, ended.stdout + ended.stderr

    code, text = command("list")
    assert code == 0
    assert [line.split()[1] for line in text.splitlines()[1:]] == [
        "get_imaging_status",
        "cohort_query",
        "cohort_query",
    ]
    code, text = command("list", "--state", "closed")
    assert text.count("closed (refused)") == 1
    assert "404: Task not found" in text
    code, text = command("show", str(refused))
    assert code == 0
    assert f"{len(ANSWER)} characters" in text
    assert command("retry", str(refused)) == (0, f"{refused} will be reported.\n")
    assert command("list", "--state", "closed")[1].count("closed") == 0
    for name in ("show", "retry"):
        code, text = command(name, str(uuid4()))
        assert code == UNKNOWN
        assert "task" in text


def test_tasks_cannot_be_listed_without_the_database(
    filled: tuple[dict[str, str], UUID], tmp_path: Path
) -> None:
    away = filled[0] | {"POSTGRES__PORT": "9"}
    ended = flame_node("tasks", "list", environment=away, directory=tmp_path)
    assert ended.returncode == AWAY
    assert "The database cannot be read" in ended.stderr
