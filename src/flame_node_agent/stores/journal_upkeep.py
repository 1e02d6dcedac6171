"""The task journal as a whole: what the operator sees, what the gauges count, what is old enough to go."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flame_node_agent.stores.database import Database
from flame_node_agent.stores.journal_rows import ENTRY_COLUMNS, Entry, TaskState

UNFINISHED = (TaskState.WAITING, TaskState.RUNNING, TaskState.DONE)


@dataclass(frozen=True)
class JournalDepth:
    """How many tasks are in each state but closed, and how many seconds the oldest of them has been here."""

    by_state: dict[TaskState, int]
    oldest_seconds: float


class JournalUpkeep:
    """Looks at all rows; the operator's and the janitor's view."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def remove_expired(self, days: float, limit: int = 500) -> int:
        """Forget up to ``limit`` tasks that were closed more than ``days`` ago, and say how many."""
        rows = await self._database.execute(
            "DELETE FROM task_journal WHERE task_id IN (SELECT task_id FROM task_journal WHERE state = 'closed'"
            " AND closed_at < now() - make_interval(secs => %(seconds)s) ORDER BY closed_at LIMIT %(limit)s"
            " FOR UPDATE SKIP LOCKED) RETURNING 1 AS one",
            {"seconds": days * 86_400, "limit": limit},
        )
        return len(rows)

    async def depth(self) -> JournalDepth:
        """What there is still to do."""
        rows = await self._database.execute(
            "SELECT state, count(*) AS n, extract(epoch FROM now() - min(received_at))::float AS age"
            " FROM task_journal WHERE state IN ('waiting', 'running', 'done') GROUP BY state"
        )
        by_state = dict.fromkeys(UNFINISHED, 0) | {TaskState(row["state"]): int(row["n"]) for row in rows}
        return JournalDepth(by_state, max((float(row["age"]) for row in rows), default=0.0))

    async def listing(self, state: TaskState | None, limit: int) -> list[Entry]:
        """Rows, newest first, of one state or of all."""
        rows = await self._database.execute(
            f"SELECT {ENTRY_COLUMNS} FROM task_journal"
            " WHERE %(state)s::text IS NULL OR state = %(state)s::text"
            " ORDER BY arrival DESC LIMIT %(limit)s",
            {"state": state, "limit": limit},
        )
        return [Entry.of(row) for row in rows]

    async def find(self, task_id: UUID) -> Entry | None:
        """One row by its id."""
        rows = await self._database.execute(
            f"SELECT {ENTRY_COLUMNS} FROM task_journal WHERE task_id = %(task)s", {"task": task_id}
        )
        return Entry.of(rows[0]) if rows else None

    async def replay(self, task_id: UUID) -> bool:
        """Report a refused task again, or bring a report that waits forward; False when there is no such one."""
        rows = await self._database.execute(
            "UPDATE task_journal SET state = 'done', not_before = now(), close_reason = NULL, closed_at = NULL"
            " WHERE task_id = %(task)s AND lease_token IS NULL"
            " AND (state = 'done' OR (state = 'closed' AND close_reason = 'refused')) RETURNING 1 AS one",
            {"task": task_id},
        )
        return bool(rows)
