"""The second half of a task's life in the journal: done, told to the hub, closed.

What has left is entered in the egress ledger in the same transaction that notes the hub's answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from flame_node_agent.errors import LeaseLost
from flame_node_agent.stores.database import Connection, Database
from flame_node_agent.stores.group_commit import GroupCommit
from flame_node_agent.stores.journal import DUE, NEW_LEASE, NO_LEASE, NOT_LEASED
from flame_node_agent.stores.journal_rows import CloseReason, Report
from flame_node_agent.stores.ledger import Departure, append_all
from flame_node_agent.stores.outbox import LONGEST_PAUSE_SECONDS
from flame_node_agent.wire.tasks import Outcome


@dataclass(frozen=True)
class _Closed:
    token: UUID
    reason: CloseReason
    note: str | None
    departure: Departure


@dataclass(frozen=True)
class _CohortSettled:
    token: UUID
    outcome: Outcome
    departure: Departure


class JournalReports:
    """Hands out what is to be reported, and notes what the hub has said; knows nothing of the hub."""

    def __init__(self, database: Database, *, lease_seconds: float) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._closing = GroupCommit[_Closed](self._write_closed)
        self._settling = GroupCommit[_CohortSettled](self._write_settled)

    async def claim(self, limit: int) -> list[Report]:
        """Lease up to ``limit`` finished tasks that are due and that no living agent reports."""
        rows = await self._database.execute(
            f"UPDATE task_journal SET reports = reports + 1, {NEW_LEASE} WHERE task_id IN ("
            f"SELECT task_id FROM task_journal WHERE state = 'done' AND {DUE} AND {NOT_LEASED}"
            " ORDER BY not_before, arrival LIMIT %(limit)s FOR UPDATE SKIP LOCKED)"
            " RETURNING task_id, arrival, task_type, success, result, cohort_report, reports, lease_token",
            {"limit": limit, "lease": self._lease_seconds},
        )
        return [Report.of(row) for row in sorted(rows, key=lambda row: int(row["arrival"]))]

    async def settle_cohort(self, report: Report, outcome: Outcome, departure: Departure) -> Report:
        """Note that the hub has answered the cohort report for good, and what that makes of the task.

        Raises:
            LeaseLost, DatabaseUnavailable.
        """
        settled = _CohortSettled(report.lease_token, outcome, departure)
        if not await self._settling.commit(report.task_id, settled):
            raise LeaseLost(str(report.task_id))
        return replace(report, success=outcome.success, result=outcome.result, cohort_report=None)

    async def close(
        self, report: Report, reason: CloseReason, departure: Departure, note: str | None = None
    ) -> None:
        """Note that the hub has answered the task's report for good.

        Raises:
            LeaseLost, DatabaseUnavailable.
        """
        closed = _Closed(report.lease_token, reason, note, departure)
        if not await self._closing.commit(report.task_id, closed):
            raise LeaseLost(str(report.task_id))

    async def postpone(self, report: Report, *, seconds: float, reason: str) -> None:
        """Give the lease back and report after ``seconds``."""
        await self._database.execute(
            "UPDATE task_journal SET not_before = now() + make_interval(secs => %(seconds)s),"
            f" last_error = %(reason)s, {NO_LEASE} WHERE task_id = %(task)s AND lease_token = %(token)s",
            {
                "seconds": min(seconds, LONGEST_PAUSE_SECONDS),
                "reason": reason,
                "task": report.task_id,
                "token": report.lease_token,
            },
        )

    async def hand_back(self, report: Report, *, begun: bool) -> None:
        """Give the lease back at once: this agent is stopping. ``begun``: the hub may have got something."""
        await self._database.execute(
            "UPDATE task_journal SET not_before = now(),"
            f" reports = CASE WHEN %(begun)s THEN reports ELSE GREATEST(reports - 1, 0) END, {NO_LEASE}"
            " WHERE task_id = %(task)s AND lease_token = %(token)s",
            {"begun": begun, "task": report.task_id, "token": report.lease_token},
        )

    async def hasten(self) -> int:
        """The hub is back: make due what waits for its next attempt, and say how many that are."""
        rows = await self._database.execute(
            "UPDATE task_journal SET not_before = now() WHERE task_id IN (SELECT task_id FROM task_journal"
            " WHERE state = 'done' AND not_before > now() AND lease_token IS NULL FOR UPDATE SKIP LOCKED)"
            " RETURNING 1 AS one"
        )
        return len(rows)

    async def _write_closed(self, group: dict[UUID, _Closed]) -> set[UUID]:
        async def write(connection: Connection) -> set[UUID]:
            cursor = await connection.execute(
                _CLOSE.encode(),
                {
                    "ids": list(group),
                    "tokens": [each.token for each in group.values()],
                    "reasons": [str(each.reason) for each in group.values()],
                    "notes": [each.note for each in group.values()],
                },
            )
            written = {row["task_id"] for row in await cursor.fetchall()}
            await append_all(connection, [group[task].departure for task in group if task in written])
            return written

        return await self._database.run(write)

    async def _write_settled(self, group: dict[UUID, _CohortSettled]) -> set[UUID]:
        async def write(connection: Connection) -> set[UUID]:
            cursor = await connection.execute(
                _SETTLE.encode(),
                {
                    "ids": list(group),
                    "tokens": [each.token for each in group.values()],
                    "successes": [each.outcome.success for each in group.values()],
                    "results": [each.outcome.result for each in group.values()],
                },
            )
            written = {row["task_id"] for row in await cursor.fetchall()}
            await append_all(connection, [group[task].departure for task in group if task in written])
            return written

        return await self._database.run(write)


_HELD = (
    " held AS (SELECT task.task_id FROM task_journal task JOIN given ON task.task_id = given.task_id"
    " AND task.lease_token = given.token AND task.state = 'done' ORDER BY task.task_id FOR UPDATE OF task)"
)
_OF_HELD = (
    " FROM given JOIN held ON held.task_id = given.task_id WHERE task.task_id = given.task_id"
    " RETURNING task.task_id"
)
_CLOSE = (
    "WITH given AS (SELECT * FROM unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(reasons)s::text[],"
    f" %(notes)s::text[]) AS given (task_id, token, reason, note)),{_HELD}"
    " UPDATE task_journal task SET state = 'closed', close_reason = given.reason, last_error = given.note,"
    f" closed_at = now(), {NO_LEASE}{_OF_HELD}"
)
_SETTLE = (
    "WITH given AS (SELECT * FROM unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(successes)s::boolean[],"
    f" %(results)b::text[]) AS given (task_id, token, success, result)),{_HELD}"
    " UPDATE task_journal task SET cohort_report = NULL, success = given.success, result = given.result"
    f"{_OF_HELD}"
)
