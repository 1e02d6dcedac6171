"""The task journal of one agent, and tasks to put into it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

from flame_node_agent.config.agent_settings import load_agent
from flame_node_agent.config.task_side import TaskSettings
from flame_node_agent.devstack.postgres import PostgresAccess
from flame_node_agent.stores.database import Database
from flame_node_agent.stores.journal import Journal
from flame_node_agent.stores.journal_reports import JournalReports
from flame_node_agent.stores.journal_rows import Report, Run
from flame_node_agent.stores.journal_upkeep import JournalUpkeep
from flame_node_agent.stores.ledger import Departure
from flame_node_agent.wire.tasks import Task
from tests.unit.settings_samples import TASKS

ALL = 1000


def task(task_type: str = "cohort_query", *, task_id: UUID | None = None, payload: str = "sealed") -> Task:
    return Task(task_id or uuid4(), task_type, payload, "2026-11-22T00:00:00Z")


def departure(report: Report, kind: str = "task_result") -> Departure:
    return Departure(
        upload_id=report.task_id,
        analysis_id=None,
        project_id=None,
        kind=kind,
        name=report.task_type,
        size=0,
        sha256="",
        sent_size=2,
        sent_sha256="",
        destination="https://hub.example/api",
        sealed_for=None,
    )


def task_settings(database: PostgresAccess, **variables: str) -> TaskSettings:
    settings = load_agent(TASKS | database.variables() | variables, env_file=None).tasks
    assert settings is not None
    return settings


@dataclass
class Journals:
    """What one agent process has of the journal."""

    database: Database
    journal: Journal
    reports: JournalReports
    upkeep: JournalUpkeep

    async def claim(self, limit: int = ALL, **types: int) -> list[Run]:
        return await self.journal.claim(limit, rooms=types, other_room=ALL)

    async def states(self) -> dict[UUID, str]:
        rows = await self.database.execute("SELECT task_id, state FROM task_journal")
        return {row["task_id"]: row["state"] for row in rows}

    async def column(self, name: str) -> list[object]:
        return [
            row["it"]
            for row in await self.database.execute(f"SELECT {name} AS it FROM task_journal ORDER BY arrival")
        ]

    async def lapse(self) -> None:
        """As if every agent that holds a lease had been dead for long enough."""
        await self.database.execute(
            "UPDATE task_journal SET lease_expires_at = now() - interval '1 second'"
            " WHERE lease_token IS NOT NULL"
        )


@asynccontextmanager
async def open_journals(access: PostgresAccess, *, lease_seconds: float = 60.0) -> AsyncIterator[Journals]:
    database = await Database.open(task_settings(access))
    try:
        await database.migrate()
        yield Journals(
            database,
            Journal(database, lease_seconds=lease_seconds),
            JournalReports(database, lease_seconds=lease_seconds),
            JournalUpkeep(database),
        )
    finally:
        await database.close()
