"""The task side of an agent: tasks come from the hub, are run beside the data, and are reported."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from fastapi import FastAPI

from flame_node_agent.agent.health_collector import HealthCollector, release, roster
from flame_node_agent.agent.health_route import health_router
from flame_node_agent.agent.heartbeat import Heartbeat
from flame_node_agent.agent.hub_status import HubStatus
from flame_node_agent.agent.identity import IdentityCheck
from flame_node_agent.agent.journal_keeping import JournalGauges, JournalJanitor
from flame_node_agent.agent.liveness import Liveness
from flame_node_agent.agent.poller import Poller
from flame_node_agent.agent.report_delivery import ReportDelivery
from flame_node_agent.agent.reporter import Reporter
from flame_node_agent.agent.rounds import Rounds
from flame_node_agent.agent.runner import Runner
from flame_node_agent.agent.task_leases import TaskLeases
from flame_node_agent.config.task_side import TaskSettings
from flame_node_agent.crypto.envelope import Keyring
from flame_node_agent.hub.tasks import TaskHub
from flame_node_agent.hub.transport import Transport
from flame_node_agent.hub.trust_services import TrustServices
from flame_node_agent.stores.database import Database
from flame_node_agent.stores.journal import Journal
from flame_node_agent.stores.journal_reports import JournalReports
from flame_node_agent.stores.journal_upkeep import JournalUpkeep
from flame_node_agent.tasks.perform import Tasks
from flame_node_agent.tasks.registry import handlers
from flame_node_agent.telemetry import metrics

log = structlog.get_logger(__name__)

UPKEEP_SECONDS = 300
GAUGES_INTERVAL_SECONDS = 15
LAST_WORDS_SECONDS = 3.0
"""Of the grace period, for reporting what was finished while the agent was stopping."""


class TaskSide:
    """All parts between the hub's tasks and the services of this trust."""

    def __init__(self, settings: TaskSettings, database: Database, transport: Transport) -> None:
        """Must be called inside a running event loop; connects to nothing yet."""
        self._settings = settings
        limits = settings.tasks
        keyring = Keyring.of(settings)
        self.services = TrustServices.open(settings)
        hub = TaskHub(settings, transport)
        journal = Journal(database, lease_seconds=limits.lease_seconds)
        reports = JournalReports(database, lease_seconds=limits.lease_seconds)
        upkeep = JournalUpkeep(database)

        self.identity = IdentityCheck(settings.expected_trust_id)
        self.hub_status = HubStatus(keyring.fingerprints)
        self.leases = TaskLeases(journal, lease_seconds=limits.lease_seconds)
        self.reporter = Reporter(
            reports, ReportDelivery(hub, reports, self.leases), hub.report_window, limits
        )
        self.runner = Runner(
            journal,
            Tasks(keyring, handlers(self.services)),
            self.leases,
            settings,
            on_done=self.reporter.nudge,
        )
        self.poller = Poller(
            hub,
            journal,
            settings,
            seen=self.identity.seen,
            on_answer=self.reporter.hub_answers,
            on_new=self.runner.nudge,
            on_known=self.reporter.nudge,
        )
        self.collector = HealthCollector(
            roster(settings, self.services), interval_seconds=settings.health_collect_interval_seconds
        )
        self.heartbeat = Heartbeat(
            hub,
            self.identity,
            self.hub_status,
            lambda: self.collector.snapshot,
            interval_seconds=settings.heartbeat_interval_seconds,
        )
        self.janitor = JournalJanitor(upkeep, days=limits.retention_days)
        self.gauges = JournalGauges(upkeep)
        self._liveness = Liveness()
        self._liveness.watch("health_collector", lambda: self.collector.alive)

    def add_routes(self, app: FastAPI) -> None:
        """Serve ``/health`` beside what ``app`` serves."""
        app.include_router(health_router(self._liveness, self.hub_status, release(self._settings)))

    def schedule(self, rounds: Rounds) -> None:
        """Add the rounds that repeat, heartbeat and health from the first moment on."""
        settings = self._settings
        rounds.every("heartbeat", settings.heartbeat_interval_seconds, self.heartbeat.round, at_once=True)
        rounds.every(
            "health_collector", settings.health_collect_interval_seconds, self.collector.round, at_once=True
        )
        rounds.every("task_leases", self.leases.renewal_interval, self.leases.renew)
        rounds.every("task_gauges", GAUGES_INTERVAL_SECONDS, self.gauges.round)
        rounds.every("task_janitor", UPKEEP_SECONDS, self.janitor.round)

    async def work(self) -> None:
        """Poll, run and report; the schema has to be there."""
        loops = {
            "task_poller": self.poller.run,
            "task_runner": self.runner.run,
            "task_reporter": self.reporter.run,
        }
        tasks = {name: asyncio.create_task(_told(name, loop), name=name) for name, loop in loops.items()}
        for name, task in tasks.items():
            self._liveness.watch_task(name, task)
        try:
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        finally:
            for task in tasks.values():
                task.cancel()

    async def stop(self, grace: float) -> None:
        """Fetch and begin nothing more; what runs may finish and be reported, then the rest is handed back."""
        await asyncio.gather(self.poller.stop(grace), self.runner.stop(max(0.0, grace - LAST_WORDS_SECONDS)))
        await self.reporter.stop(min(grace, LAST_WORDS_SECONDS))
        self.collector.stop()

    async def close(self) -> None:
        """Close every connection of its own."""
        await self.services.aclose()


async def _told(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    """Run a loop whose death would be a defect: the others go on, and ``/health`` names the dead."""
    try:
        await loop()
    except Exception:
        log.exception("loop.failed", loop=name)
        metrics.LOOP_ERRORS.labels(name).inc()
        raise
