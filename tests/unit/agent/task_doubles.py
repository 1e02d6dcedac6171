"""The hub and the journal in memory, for one loop at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any
from uuid import UUID, uuid4

from flame_node_agent.errors import DatabaseUnavailable, LeaseLost
from flame_node_agent.hub.pacing import SlidingWindow
from flame_node_agent.stores.journal_rows import CloseReason, Received, Report, Run
from flame_node_agent.stores.ledger import Departure
from flame_node_agent.wire.tasks import (
    FULL_BATCH,
    Accepted,
    Identity,
    Outcome,
    Pending,
    ReportAnswer,
    Task,
)

IDENTITY = Identity("3f2b6c1e-8a43-4f0a-9d5c-6a1c1a2b3c4d", "Trust_1")


def task(task_type: str = "cohort_query") -> Task:
    return Task(uuid4(), task_type, "sealed")


def full() -> Pending:
    return Pending(tuple(task() for _ in range(FULL_BATCH)), IDENTITY)


async def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something that another task of this loop makes true."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.001)


class HubDouble:
    """Gives the answers it was told to give, then empty ones; an exception among them is raised."""

    api = "https://hub.example/api"

    def __init__(self, *answers: Pending | Exception) -> None:
        self.answers = deque(answers)
        self.polls = 0
        self.reported: list[tuple[UUID, bool, str | None]] = []
        self.cohorts: list[Mapping[str, Any]] = []
        self.to_reports: deque[ReportAnswer | Exception] = deque()
        self.to_cohorts: deque[ReportAnswer | Exception] = deque()
        self.gate: asyncio.Event | None = None
        self.window = SlidingWindow(0)

    async def pending(self) -> Pending:
        self.polls += 1
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers.popleft() if self.answers else Pending((), IDENTITY)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def report(self, task_id: UUID, success: bool, result: str | None) -> ReportAnswer:
        await self.window.acquire()
        self.reported.append((task_id, success, result))
        return await self._answer(self.to_reports)

    async def cohort_results(self, body: Mapping[str, Any]) -> ReportAnswer:
        self.cohorts.append(body)
        return await self._answer(self.to_cohorts)

    async def _answer(self, prepared: deque[ReportAnswer | Exception]) -> ReportAnswer:
        if self.gate is not None:
            await self.gate.wait()
        answer = prepared.popleft() if prepared else Accepted()
        if isinstance(answer, Exception):
            raise answer
        return answer


class JournalDouble:
    """Both halves of the journal, without a database that could be away unless it is told to be."""

    def __init__(self) -> None:
        self.away = False
        self.waiting: list[Run] = []
        self.running: dict[UUID, Run] = {}
        self.finished: dict[UUID, Outcome] = {}
        self.handed_back: list[UUID] = []
        self.to_report: list[Report] = []
        self.closed: dict[UUID, tuple[CloseReason, str | None]] = {}
        self.departures: list[Departure] = []
        self.postponed: dict[UUID, tuple[float, str]] = {}
        self.hastened = 0
        self.claims: list[tuple[int, dict[str, int], int]] = []
        self.ordered: list[list[str]] = []
        self.held: list[list[UUID]] = []
        self.lost: set[UUID] = set()
        self.unstorable: set[UUID] = set()
        self.other_backlog = 0
        self.commits = 0

    def _reach(self) -> None:
        if self.away:
            raise DatabaseUnavailable("away")

    # The first half

    async def receive(self, tasks: Collection[Task]) -> Received:
        self.commits += 1
        self._reach()
        if not self.unstorable.isdisjoint(each.id for each in tasks):
            raise ValueError("no database takes this")
        new = [each for each in tasks if each.id not in self.finished]
        self.waiting += [Run(each.id, each.task_type, each.payload, 1, uuid4()) for each in new]
        return Received(len(new), len(tasks) - len(new), 0)

    async def backlog(self) -> int:
        self._reach()
        return len(self.waiting) + len(self.running) + self.other_backlog

    async def claim(
        self,
        limit: int,
        *,
        rooms: Mapping[str, int] | None = None,
        other_room: int = 0,
        ordered: Collection[str] = (),
        holding: Collection[UUID] = (),
    ) -> Any:
        self._reach()
        if rooms is None:
            claimed, self.to_report = self.to_report[:limit], self.to_report[limit:]
            return claimed
        self.claims.append((limit, dict(rooms), other_room))
        self.ordered.append(list(ordered))
        self.held.append(list(holding))
        left = dict(rooms)
        runs = []
        for run in list(self.waiting):
            room = left.setdefault(run.task_type, other_room)
            if len(runs) < limit and room > 0:
                left[run.task_type] = room - 1
                self.waiting.remove(run)
                self.running[run.task_id] = run
                runs.append(run)
        return runs

    async def finish(self, run: Run, outcome: Outcome) -> None:
        self._reach()
        if run.lease_token in self.lost:
            raise LeaseLost(str(run.task_id))
        del self.running[run.task_id]
        self.finished[run.task_id] = outcome

    async def renew(self, tokens: list[UUID]) -> set[UUID]:
        self._reach()
        return set(tokens) - self.lost

    # The second half

    async def settle_cohort(self, report: Report, outcome: Outcome, departure: Departure) -> Report:
        self._reach()
        self.departures.append(departure)
        return Report(
            report.task_id,
            report.task_type,
            outcome.success,
            outcome.result,
            None,
            report.reports,
            report.lease_token,
        )

    async def close(
        self, report: Report, reason: CloseReason, departure: Departure, note: str | None = None
    ) -> None:
        self._reach()
        self.closed[report.task_id] = reason, note
        self.departures.append(departure)

    async def postpone(self, report: Report, *, seconds: float, reason: str) -> None:
        self._reach()
        self.postponed[report.task_id] = seconds, reason

    async def hasten(self) -> int:
        self.hastened += 1
        return 0

    async def hand_back(self, item: Run | Report, *, begun: bool = False) -> None:
        self._reach()
        self.handed_back.append(item.task_id)
        self.running.pop(item.task_id, None)
