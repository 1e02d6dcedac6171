"""Tasks from the moment they were fetched: the table behind the promise that each of them is reported.

    waiting ──claimed──> running ──outcome──> done ──reported | confirmed | refused──> closed
       ^                    │                  ^                                          │
       └───── handed back ──┘                  └──────── the hub hands it out again ──────┘

Rows in work carry a lease, as those of the outbox do: a token that is new at every claim, and a time. Every change
names the token, so an agent that lost its lease while it slept changes nothing. A running row whose lease has lapsed
is claimed and run again.

What is done many times a second is written in groups, see :mod:`.group_commit`. Statements that touch several rows
lock them in the order of their ids, so that they never wait for each other in a circle.

Long texts go in arrays in binary form (``%(name)b``): written as an array's text, 10 MB of JSON hold up the event loop
for more than a second.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from flame_node_agent.errors import LeaseLost
from flame_node_agent.stores.database import Database
from flame_node_agent.stores.group_commit import GroupCommit
from flame_node_agent.stores.journal_rows import Received, Run
from flame_node_agent.stores.outbox import NEVER_AGREED
from flame_node_agent.wire.tasks import Outcome, Task, storable

DUE = f"(not_before <= now() OR not_before > now() + {NEVER_AGREED})"
NOT_LEASED = (
    f"(lease_expires_at IS NULL OR lease_expires_at < now() OR lease_expires_at > now() + {NEVER_AGREED})"
)
NEW_LEASE = "lease_token = gen_random_uuid(), lease_expires_at = now() + make_interval(secs => %(lease)s)"
NO_LEASE = "lease_token = NULL, lease_expires_at = NULL"


@dataclass(frozen=True)
class _Finished:
    token: UUID
    outcome: Outcome


class Journal:
    """Takes tasks in and hands them out to be run; knows nothing of the hub."""

    def __init__(self, database: Database, *, lease_seconds: float) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._finishing = GroupCommit[_Finished](self._write_finished)

    async def receive(self, tasks: Collection[Task]) -> Received:
        """Commit all tasks of an answer at once; none may start before.

        One that is known and not finished is left alone; one that is finished is to be reported (again).

        Raises:
            DatabaseUnavailable: nothing is committed, or it is and may be committed again.
        """
        by_id = {task.id: task for task in tasks}
        rows = await self._database.execute(
            "INSERT INTO task_journal (task_id, task_type, payload, hub_created_at, state)"
            " SELECT task_id, task_type, payload, hub_created_at, 'waiting'"
            " FROM unnest(%(ids)s::uuid[], %(types)s::text[], %(payloads)b::text[], %(created)s::text[])"
            " WITH ORDINALITY AS given (task_id, task_type, payload, hub_created_at, place) ORDER BY place"
            " ON CONFLICT (task_id) DO UPDATE SET state = 'done', not_before = now(), close_reason = NULL,"
            " closed_at = NULL WHERE task_journal.state IN ('done', 'closed')"
            " RETURNING (xmax = 0) AS is_new",
            {
                "ids": list(by_id),
                "types": [task.task_type for task in by_id.values()],
                "payloads": [task.payload for task in by_id.values()],
                "created": [task.created_at for task in by_id.values()],
            },
        )
        new = sum(row["is_new"] for row in rows)
        return Received(new=new, answered=len(rows) - new, underway=len(by_id) - len(rows))

    async def backlog(self) -> int:
        """How many tasks are not finished."""
        rows = await self._database.execute(
            "SELECT count(*) AS n FROM task_journal WHERE state IN ('waiting', 'running')"
        )
        return int(rows[0]["n"])

    async def claim(
        self,
        limit: int,
        *,
        rooms: Mapping[str, int],
        other_room: int,
        ordered: Collection[str] = (),
        holding: Collection[UUID] = (),
    ) -> list[Run]:
        """Lease up to ``limit`` tasks that no living agent runs, the oldest first.

        ``rooms`` says how many of a type may be among them, ``other_room`` how many of each type that is not named
        there. Of a type that is ``ordered`` only the oldest that is not finished is given, and none while any has a
        lease, whose ever it is. Tasks of ``holding`` are left out: this agent has them in hand, even if their leases
        have lapsed.
        """
        rows = await self._database.execute(
            _CLAIM,
            {
                "limit": limit,
                "rooms": json.dumps(dict(rooms)),
                "other_room": other_room,
                "ordered": list(ordered),
                "holding": list(holding),
                "lease": self._lease_seconds,
            },
        )
        return [Run.of(row) for row in sorted(rows, key=lambda row: int(row["arrival"]))]

    async def finish(self, run: Run, outcome: Outcome) -> None:
        """Commit what became of a task. From here on it will be reported, and not run again.

        Raises:
            LeaseLost: another agent runs it, or has. DatabaseUnavailable: not committed, or not known.
        """
        if not await self._finishing.commit(run.task_id, _Finished(run.lease_token, outcome)):
            raise LeaseLost(str(run.task_id))

    async def hand_back(self, run: Run) -> None:
        """Give the lease back without counting a run: this agent is stopping."""
        await self._database.execute(
            f"UPDATE task_journal SET state = 'waiting', runs = GREATEST(runs - 1, 0), {NO_LEASE}"
            " WHERE task_id = %(task)s AND lease_token = %(token)s AND state = 'running'",
            {"task": run.task_id, "token": run.lease_token},
        )

    async def renew(self, tokens: list[UUID]) -> set[UUID]:
        """Prolong leases and name those that are still held."""
        rows = await self._database.execute(
            "WITH held AS (SELECT task_id FROM task_journal WHERE lease_token = ANY(%(tokens)s::uuid[])"
            " ORDER BY task_id FOR UPDATE)"
            " UPDATE task_journal SET lease_expires_at = now() + make_interval(secs => %(lease)s)"
            " WHERE task_id IN (SELECT task_id FROM held) AND lease_token = ANY(%(tokens)s::uuid[])"
            " RETURNING lease_token",
            {"lease": self._lease_seconds, "tokens": tokens},
        )
        return {row["lease_token"] for row in rows}

    async def _write_finished(self, group: dict[UUID, _Finished]) -> set[UUID]:
        outcomes = [each.outcome for each in group.values()]
        rows = await self._database.execute(
            _FINISH,
            {
                "ids": list(group),
                "tokens": [each.token for each in group.values()],
                "successes": [outcome.success for outcome in outcomes],
                "results": [
                    None if outcome.result is None else storable(outcome.result) for outcome in outcomes
                ],
                "cohort_reports": [
                    # In ASCII: PostgreSQL takes neither NUL nor lone surrogates, which JSON can spell.
                    None if outcome.cohort_report is None else json.dumps(dict(outcome.cohort_report))
                    for outcome in outcomes
                ],
            },
        )
        return {row["task_id"] for row in rows}


# All of it sees the table as it was at one moment: a task that another agent is just claiming or finishing still counts
# as the oldest of its type, and the next one waits for another look.
_CLAIM = (
    "WITH kinds AS (SELECT task_type,"
    f" CASE WHEN task_type = ANY(%(ordered)s::text[]) AND NOT bool_and{NOT_LEASED} THEN 0 ELSE"
    " LEAST(COALESCE((%(rooms)s::jsonb ->> task_type)::integer, %(other_room)s), %(limit)s) END AS room,"
    " CASE WHEN task_type = ANY(%(ordered)s::text[]) THEN min(arrival) ELSE max(arrival) END AS latest"
    " FROM task_journal WHERE state IN ('waiting', 'running') GROUP BY task_type),"
    " free AS MATERIALIZED (SELECT due.task_id FROM kinds CROSS JOIN LATERAL ("
    "SELECT task_id, arrival FROM task_journal WHERE task_type = kinds.task_type"
    f" AND state IN ('waiting', 'running') AND arrival <= kinds.latest AND {DUE} AND {NOT_LEASED}"
    " AND task_id <> ALL(%(holding)s::uuid[])"
    " ORDER BY arrival LIMIT kinds.room FOR UPDATE SKIP LOCKED) AS due"
    " WHERE kinds.room > 0 ORDER BY due.arrival LIMIT %(limit)s)"
    f" UPDATE task_journal SET state = 'running', runs = runs + 1, {NEW_LEASE}"
    " WHERE task_id IN (SELECT task_id FROM free)"
    " RETURNING task_id, task_type, payload, runs, lease_token, arrival"
)
# What a finished task was asked for is of no use any more; an empty text takes its place.
_FINISH = (
    "WITH given AS (SELECT * FROM unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(successes)s::boolean[],"
    " %(results)b::text[], %(cohort_reports)b::text[])"
    " AS given (task_id, token, success, result, cohort_report)),"
    " held AS (SELECT task.task_id FROM task_journal task JOIN given ON task.task_id = given.task_id"
    " AND task.lease_token = given.token AND task.state = 'running' ORDER BY task.task_id FOR UPDATE OF task)"
    " UPDATE task_journal task SET state = 'done', success = given.success, result = given.result,"
    " cohort_report = given.cohort_report, payload = '', finished_at = now(), not_before = now(),"
    f" last_error = NULL, {NO_LEASE}"
    " FROM given JOIN held ON held.task_id = given.task_id WHERE task.task_id = given.task_id"
    " RETURNING task.task_id"
)
