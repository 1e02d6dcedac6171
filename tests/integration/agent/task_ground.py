"""The three loops of the task side, put together on a real database and a development hub; only the work is made up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from flame_node_agent.agent.poller import Poller
from flame_node_agent.agent.report_delivery import ReportDelivery
from flame_node_agent.agent.reporter import Reporter
from flame_node_agent.agent.runner import Runner
from flame_node_agent.agent.task_leases import TaskLeases
from flame_node_agent.config.agent_settings import load_agent
from flame_node_agent.config.task_side import TaskSettings
from flame_node_agent.devstack.postgres import PostgresAccess
from flame_node_agent.devstack.running_hub import RunningHub
from flame_node_agent.devstack.testing import LazyParts
from flame_node_agent.hub.tasks import TaskHub
from flame_node_agent.hub.transport import Transport
from flame_node_agent.stores.database import Database
from flame_node_agent.stores.journal import Journal
from flame_node_agent.stores.journal_reports import JournalReports
from flame_node_agent.wire.tasks import Outcome

FAST = {
    "POLL_INTERVAL_SECONDS": "0.1",
    "TASKS__POLL_BACKOFF_CAP_SECONDS": "0.5",
    "TASKS__REPORT_BACKOFF_BASE_SECONDS": "0.1",
    "TASKS__REPORT_BACKOFF_CAP_SECONDS": "0.5",
}
WORK = "get_imaging_status"


class Work:
    """Counts what it is asked to do; waits where it is told to."""

    def __init__(self, outcome: Outcome | None = None) -> None:
        self.done = Counter[str]()
        self.begun = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._outcome = outcome or Outcome(True, '{"answer": 42}')

    async def perform(self, task_type: str, payload_wire: str) -> Outcome:
        self.begun += 1
        await self.gate.wait()
        self.done[payload_wire] += 1
        return self._outcome

    def timed_out(self, task_type: str, payload_wire: str, seconds: float) -> Outcome:
        return Outcome(False, '{"error": "too late"}')


class TaskLoops:
    """One agent's loops."""

    def __init__(self, settings: TaskSettings, database: Database, transport: Transport, work: Work) -> None:
        limits = settings.tasks
        self.work = work
        self.database = database
        self.hub = TaskHub(settings, transport)
        self.journal = Journal(database, lease_seconds=limits.lease_seconds)
        self.reports = JournalReports(database, lease_seconds=limits.lease_seconds)
        self.leases = TaskLeases(self.journal, lease_seconds=limits.lease_seconds)
        delivery = ReportDelivery(self.hub, self.reports, self.leases)
        self.reporter = Reporter(self.reports, delivery, self.hub.report_window, limits)
        self.runner = Runner(self.journal, work, self.leases, settings, on_done=self.reporter.nudge)
        self.poller = Poller(
            self.hub,
            self.journal,
            settings,
            seen=lambda _: True,
            on_answer=self.reporter.hub_answers,
            on_new=self.runner.nudge,
            on_known=self.reporter.nudge,
        )

    @asynccontextmanager
    async def working(self, *loops: str) -> AsyncIterator[None]:
        """Run all loops, or those that are named; stopped in order at the end."""
        named = {"poller": self.poller, "runner": self.runner, "reporter": self.reporter}
        chosen = [named[name] for name in loops or named]
        running = [asyncio.create_task(each.run()) for each in chosen] + [asyncio.create_task(self._renew())]
        try:
            yield
        finally:
            for each in chosen:
                await each.stop(1)
            running[-1].cancel()
            await asyncio.gather(*running, return_exceptions=True)

    @asynccontextmanager
    async def doomed(self) -> AsyncIterator[None]:
        """Run all loops; at the end they are gone without a word, as after SIGKILL."""
        loops = [self.poller.run(), self.runner.run(), self.reporter.run(), self._renew()]
        running = [asyncio.create_task(each) for each in loops]
        try:
            yield
        finally:
            held = [*running, *self.runner._loop._running, *self.reporter._loop._running]
            for task in held:
                task.cancel()
            await asyncio.gather(*held, return_exceptions=True)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self.leases.renewal_interval)
            await self.leases.renew()

    async def rows(self, columns: str = "*", table: str = "task_journal") -> list[dict[str, Any]]:
        return list(await self.database.execute(f"SELECT {columns} FROM {table}"))


@asynccontextmanager
async def task_loops(
    parts: LazyParts,
    hub: RunningHub,
    *,
    database: PostgresAccess | None = None,
    work: Work | None = None,
    **variables: str,
) -> AsyncIterator[TaskLoops]:
    """The loops of an agent of its own, not running yet."""
    environment = parts.agent_environment(hub, sides="tasks", database=database, **FAST | variables)
    settings = load_agent(environment, env_file=None).tasks
    assert settings is not None
    transport = Transport(settings)
    opened = await Database.open(settings)
    try:
        await opened.migrate()
        yield TaskLoops(settings, opened, transport, work or Work())
    finally:
        await transport.aclose()
        await opened.close()


async def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for something that happens elsewhere, without holding up this event loop."""
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(true):
            await asyncio.sleep(0.02)


def order(hub: RunningHub, count: int = 1) -> list[str]:
    """Let the hub have tasks for this node."""
    return [hub.order_task(WORK, imaging_project_id="3b1f", encoded_query=f"query {n}") for n in range(count)]


def settled(hub: RunningHub, count: int, status: str = "COMPLETED") -> Callable[[], bool]:
    """Whether so many tasks are at their end at the hub."""
    return lambda: sum(task["status"] == status for task in hub.tasks(10_000).values()) >= count
