"""Reporting: how many at once, when again, and what an outage of the hub changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from flame_node_agent.agent import reporter as module
from flame_node_agent.agent.report_delivery import ReportDelivery
from flame_node_agent.agent.reporter import LONGEST_WISH_SECONDS, Reporter
from flame_node_agent.agent.task_leases import TaskLeases
from flame_node_agent.errors import HubCredentialsRefused, HubUnavailable, HubUnexpected
from flame_node_agent.hub.pacing import SlidingWindow
from flame_node_agent.stores.journal_reports import JournalReports
from flame_node_agent.stores.journal_rows import CloseReason, Report
from flame_node_agent.wire.tasks import Accepted
from tests.unit.agent.task_doubles import HubDouble, JournalDouble, until
from tests.unit.hub.flip_hub import task_settings

AWAY = HubUnavailable("nobody there")


def report(**changes: Any) -> Report:
    known: dict[str, Any] = {
        "task_id": uuid4(),
        "task_type": "cohort_query",
        "success": True,
        "result": None,
        "cohort_report": None,
        "reports": 1,
        "lease_token": uuid4(),
    }
    return Report(**(known | changes))


class Ground:
    """A reporter with a hub and a journal in memory."""

    def __init__(self, *reports: Report, limit: int = 0, **variables: str) -> None:
        self.hub = HubDouble()
        self.journal = JournalDouble()
        self.journal.to_report += reports
        self.window = self.hub.window = SlidingWindow(limit)
        self.leases = TaskLeases(self.journal, lease_seconds=60)
        self.reporter = Reporter(
            cast("JournalReports", self.journal),
            ReportDelivery(self.hub, self.journal, self.leases),
            self.window,
            task_settings(**variables).tasks,
        )

    @asynccontextmanager
    async def reporting(self, grace: float = 1) -> AsyncIterator[None]:
        loop = asyncio.create_task(self.reporter.run())
        try:
            yield
        finally:
            await self.reporter.stop(grace)
            await asyncio.wait_for(loop, 5)


async def test_a_nudge_is_enough_to_report_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 600)
    ground = Ground()
    async with ground.reporting():
        await asyncio.sleep(0.02)
        ground.journal.to_report.append(report())
        ground.reporter.nudge()
        await until(lambda: len(ground.journal.closed) == 1)


async def test_only_so_many_are_sent_at_once() -> None:
    ground = Ground(*(report() for _ in range(20)), TASKS__PARALLEL_REPORTS="3")
    ground.hub.gate = asyncio.Event()
    async with ground.reporting():
        await until(lambda: len(ground.hub.reported) == 3)
        await asyncio.sleep(0.02)
        assert len(ground.hub.reported) == 3
        ground.hub.gate.set()
        await until(lambda: len(ground.journal.closed) == 20)


async def test_no_more_are_claimed_than_the_minute_allows() -> None:
    ground = Ground(*(report() for _ in range(20)), limit=5, TASKS__PARALLEL_REPORTS="3")
    for _ in range(3):
        await ground.window.acquire()
    async with ground.reporting():
        await until(lambda: len(ground.journal.closed) == 2)
        await asyncio.sleep(0.05)
    assert len(ground.hub.reported) == 2
    assert len(ground.journal.to_report) == 18


@pytest.mark.parametrize(
    "failure",
    [AWAY, HubUnexpected(500), HubUnexpected(None, "a web page"), HubCredentialsRefused("401")],
    ids=repr,
)
async def test_what_may_pass_is_sent_again_later(failure: Exception) -> None:
    told = report(reports=3)
    ground = Ground(told)
    ground.hub.to_reports.append(failure)
    with capture_logs() as logs:
        async with ground.reporting():
            await until(lambda: told.task_id in ground.journal.postponed)
    seconds, reason = ground.journal.postponed[told.task_id]
    assert 0 <= seconds <= 8
    assert reason == f"{type(failure).__name__}: {failure}"
    assert ground.journal.closed == {}
    assert [entry["event"] for entry in logs] == ["report.postponed"]


async def test_pauses_grow_to_the_cap_and_never_above() -> None:
    ground = Ground(TASKS__REPORT_BACKOFF_CAP_SECONDS="300")
    assert all(ground.reporter._backoff(1) <= 2 for _ in range(100))
    assert 250 < max(ground.reporter._backoff(1000) for _ in range(300)) <= 300


async def test_the_hubs_wish_is_honoured_for_the_report_and_for_all_others() -> None:
    told, other = report(), report()
    ground = Ground(told, TASKS__PARALLEL_REPORTS="1")
    ground.hub.to_reports.append(HubUnavailable("429", retry_after=40))
    async with ground.reporting():
        await until(lambda: told.task_id in ground.journal.postponed)
        ground.journal.to_report.append(other)
        ground.reporter.hub_answers()
        ground.reporter.nudge()
        await asyncio.sleep(0.05)
        assert len(ground.hub.reported) == 1
    assert ground.journal.postponed[told.task_id][0] == 40
    assert 30 < ground.reporter._quiet_until - asyncio.get_running_loop().time() <= 40


async def test_no_wish_is_honoured_for_longer_than_an_hour() -> None:
    told = report()
    ground = Ground(told)
    ground.hub.to_reports.append(HubUnavailable("503", retry_after=1e9))
    async with ground.reporting():
        await until(lambda: told.task_id in ground.journal.postponed)
    assert ground.journal.postponed[told.task_id][0] == LONGEST_WISH_SECONDS


async def test_while_the_hub_is_away_one_report_at_a_time_asks_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    ground = Ground(*(report() for _ in range(30)), TASKS__REPORT_BACKOFF_BASE_SECONDS="0.05")
    ground.hub.to_reports.extend([AWAY] * 12)
    async with ground.reporting():
        await until(lambda: len(ground.journal.closed) == 18)
    assert len(ground.hub.reported) == 30
    assert 1 <= ground.journal.hastened <= 2, "what had failed is made due again once the hub is back"


async def test_an_error_with_one_report_does_not_slow_the_others() -> None:
    ground = Ground(*(report() for _ in range(10)), TASKS__PARALLEL_REPORTS="1")
    ground.hub.to_reports.extend([HubUnexpected(500), *[Accepted()] * 9])
    async with ground.reporting():
        await until(lambda: len(ground.journal.closed) == 9, seconds=2)
    assert ground.journal.hastened == 0


async def test_a_hub_that_was_heard_elsewhere_is_asked_at_once() -> None:
    ground = Ground(report(), TASKS__REPORT_BACKOFF_BASE_SECONDS="300")
    ground.hub.to_reports.append(AWAY)
    async with ground.reporting():
        await until(lambda: len(ground.journal.postponed) == 1)
        ground.journal.to_report.append(report())
        ground.reporter.hub_answers()
        await until(lambda: len(ground.journal.closed) == 1, seconds=2)


async def test_a_database_that_is_away_leaves_the_report_to_its_lease() -> None:
    ground = Ground(report())
    ground.hub.gate = asyncio.Event()
    async with ground.reporting():
        await until(lambda: len(ground.hub.reported) == 1)
        ground.journal.away = True
        with capture_logs() as logs:
            ground.hub.gate.set()
            await until(lambda: any(entry["event"] == "report.left_to_lease" for entry in logs))
        ground.journal.away = False
        ground.journal.to_report.append(report())
        await until(lambda: len(ground.journal.closed) == 1)


async def test_a_defect_does_not_end_reporting() -> None:
    ground = Ground(report(), report(), TASKS__PARALLEL_REPORTS="1")
    ground.hub.to_reports.append(RuntimeError("a defect"))
    async with ground.reporting():
        await until(lambda: len(ground.journal.closed) == 1)


async def test_what_is_under_way_may_arrive_within_the_grace_period() -> None:
    ground = Ground(report())
    ground.hub.gate = asyncio.Event()
    loop = asyncio.create_task(ground.reporter.run())
    await until(lambda: len(ground.hub.reported) == 1)
    stopping = asyncio.create_task(ground.reporter.stop(5))
    await asyncio.sleep(0.01)
    ground.hub.gate.set()
    await stopping
    await asyncio.wait_for(loop, 5)
    assert [reason for reason, _ in ground.journal.closed.values()] == [CloseReason.REPORTED]


async def test_the_rest_is_handed_back() -> None:
    told = report()
    ground = Ground(told)
    ground.hub.gate = asyncio.Event()
    async with ground.reporting(grace=0.01):
        await until(lambda: len(ground.hub.reported) == 1)
    assert ground.journal.handed_back == [told.task_id]
