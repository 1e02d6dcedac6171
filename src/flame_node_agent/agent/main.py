"""The agent process: its sides put together, started, and stopped in order.

Nothing it depends on has to be there at the start. The endpoint answers from the first moment (503 where it cannot
do better yet), and each loop waits for what it needs.
"""

from __future__ import annotations

import asyncio
import signal
from typing import Protocol

import structlog
from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from flame_node_agent import __version__
from flame_node_agent.agent.readiness import Readiness
from flame_node_agent.agent.result_side import ResultSide
from flame_node_agent.agent.serving import bind, make_server
from flame_node_agent.config.settings import Settings
from flame_node_agent.errors import DatabaseUnavailable
from flame_node_agent.hub.transport import Transport
from flame_node_agent.stores.database import Database
from flame_node_agent.telemetry import metrics

log = structlog.get_logger(__name__)

MIGRATION_PAUSE_SECONDS = 2.0
HAND_BACK_SECONDS = 2.0
"""Of the grace period, for handing back what could not be finished."""


class Side(Protocol):
    """What the process does with each of its sides."""

    def schedule(self, scheduler: AsyncIOScheduler) -> None: ...

    async def work(self) -> None: ...

    async def stop(self, grace: float) -> None: ...

    async def close(self) -> None: ...


class Agent:
    """All parts of one agent process."""

    def __init__(self, settings: Settings, database: Database) -> None:
        """Must be called inside a running event loop; connects to nothing yet."""
        self.database = database
        self.transport = Transport(settings)
        self.results = ResultSide(settings, database, self.transport)
        readiness = Readiness({"database": database.check, **self.results.needs})
        self.app = self.results.app(readiness)
        self.sides: list[Side] = [self.results]

    def schedule(self) -> AsyncIOScheduler:
        """The rounds that repeat, none waiting for another; a round that runs long is not started twice."""
        scheduler = AsyncIOScheduler(
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None}
        )
        scheduler.add_listener(_round_failed, EVENT_JOB_ERROR)
        for side in self.sides:
            side.schedule(scheduler)
        return scheduler

    async def migrate(self) -> None:
        """Bring the schema up to date, as soon as there is a database."""
        while True:
            try:
                await self.database.migrate()
            except DatabaseUnavailable as error:
                log.warning("database.migration_postponed", error=str(error))
            except Exception:  # the edge of a loop: such as a role that may not create tables, until it may
                log.exception("loop.failed", loop="migration")
                metrics.LOOP_ERRORS.labels("migration").inc()
            else:
                return
            await asyncio.sleep(MIGRATION_PAUSE_SECONDS)

    async def work(self) -> None:
        """What every side does for as long as it runs, once there is a schema."""
        await self.migrate()
        await asyncio.gather(*(side.work() for side in self.sides))

    async def stop(self, grace: float) -> None:
        """Begin nothing new; let what runs finish for ``grace`` seconds, then hand the rest back."""
        await asyncio.gather(*(side.stop(grace) for side in self.sides))

    async def close(self) -> None:
        """Close every connection."""
        for side in self.sides:
            await side.close()
        await self.transport.aclose()
        await self.database.close()


def _round_failed(event: JobExecutionEvent) -> None:
    """The edge of all repeated rounds: a defect is told and counted, and the next round comes all the same."""
    if isinstance(event.exception, asyncio.CancelledError):
        return  # the agent ends
    log.error("loop.failed", loop=event.job_id, exc_info=event.exception)
    metrics.LOOP_ERRORS.labels(event.job_id).inc()


async def run(settings: Settings) -> None:
    """Run the agent until SIGTERM or SIGINT.

    Then: no new requests, uploads and tasks; what runs may finish within the grace period; the leases of the rest
    are handed back, so that another agent, or this one after its restart, goes on at once.

    Raises:
        SettingsError: a port cannot be listened on.
    """
    shared = settings
    sockets = bind(shared)
    agent = Agent(settings, await Database.open(shared))
    server = make_server(agent.app, shared)
    scheduler = agent.schedule()
    stopping: list[asyncio.Task[None]] = []

    def stop() -> None:
        if not stopping:
            log.info("agent.stopping", grace_seconds=shared.shutdown_grace_seconds)
            server.should_exit = True
            grace = max(0.0, shared.shutdown_grace_seconds - HAND_BACK_SECONDS)
            stopping.append(asyncio.create_task(agent.stop(grace)))

    loop = asyncio.get_running_loop()
    for wanted in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(wanted, stop)
    log.info(
        "agent.started",
        version=__version__,
        host=shared.listen.host,
        ports=list(shared.listen.ports),
    )
    work = asyncio.create_task(agent.work())
    scheduler.start()
    try:
        await server.serve(sockets=sockets)
    finally:
        stop()
        await asyncio.gather(*stopping)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        scheduler.shutdown(wait=False)
        await agent.close()
        log.info("agent.stopped")
