"""The agent process: everything put together, started, and stopped in order.

Nothing it depends on has to be there at the start. The endpoint answers from the first moment (503 where it cannot
do better yet), and each loop waits for what it needs.
"""

from __future__ import annotations

import asyncio
import signal

import structlog
from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from flame_node_agent import __version__
from flame_node_agent.agent.delivery import Delivery
from flame_node_agent.agent.gauges import Gauges
from flame_node_agent.agent.inbound import Inbound
from flame_node_agent.agent.janitor import Janitor
from flame_node_agent.agent.knowledge import Knowledge
from flame_node_agent.agent.leases import Leases
from flame_node_agent.agent.readiness import Readiness
from flame_node_agent.agent.sending import Sending
from flame_node_agent.agent.serving import bind, make_server
from flame_node_agent.agent.source import Pace
from flame_node_agent.agent.worker import Worker
from flame_node_agent.config.settings import Settings
from flame_node_agent.errors import DatabaseUnavailable
from flame_node_agent.hub.hub import Hub
from flame_node_agent.hub.transport import Transport
from flame_node_agent.results.app import create_app
from flame_node_agent.results.issuer_keys import IssuerKeys
from flame_node_agent.results.ports import ResultDependencies
from flame_node_agent.stores.database import Database
from flame_node_agent.stores.local_results import LocalResults
from flame_node_agent.stores.objects import ObjectStore
from flame_node_agent.stores.outbox import Outbox
from flame_node_agent.stores.retention import Retention
from flame_node_agent.stores.staging import Staging
from flame_node_agent.telemetry import metrics

log = structlog.get_logger(__name__)

MIGRATION_PAUSE_SECONDS = 2.0
GAUGES_INTERVAL_SECONDS = 15


class Agent:
    """All parts of one agent process."""

    def __init__(self, settings: Settings, database: Database) -> None:
        """Must be called inside a running event loop; connects to nothing yet."""
        self._settings = settings
        outbox_settings = settings.outbox
        self.database = database
        self.objects = ObjectStore.open(settings)
        self.transport = Transport(settings)
        self.hub = Hub.open(settings, self.transport)
        self.staging = Staging(database, self.objects, lease_seconds=outbox_settings.lease_seconds)
        self.outbox = Outbox(
            database,
            owner=self.staging.owner,
            lease_seconds=outbox_settings.lease_seconds,
            on_enqueued=lambda: self.worker.nudge(),
        )
        self.knowledge = Knowledge(database, self.hub.core, ttl=settings.results.knowledge_ttl_seconds)
        private_key = settings.crypto.private_key()
        self.delivery = Delivery(
            hub=self.hub,
            objects=self.objects,
            outbox=self.outbox,
            knowledge=self.knowledge,
            private_key=private_key,
            pace=Pace(outbox_settings.bandwidth_bytes_per_second),
            destination=str(settings.hub.storage_base_url),
            settle_seconds=settings.http.read_timeout_seconds,
        )
        self.leases = Leases(self.outbox, self.staging, lease_seconds=outbox_settings.lease_seconds)
        self.worker = Worker(self.outbox, self.delivery, self.leases, outbox_settings)
        retention = Retention(database)
        self.janitor = Janitor(retention, self.staging, self.objects, days=outbox_settings.retention_days)
        self.gauges = Gauges(retention)
        self.issuer_keys = IssuerKeys(
            lambda: self.transport.get_json(str(settings.oidc.certs_url)),
            algorithms=settings.oidc.algorithms,
            refresh_seconds=settings.oidc.jwks_refresh_seconds,
        )
        self.app = create_app(
            ResultDependencies(
                issuer_keys=self.issuer_keys,
                objects=self.objects,
                staging=self.staging,
                knowledge=self.knowledge,
                outbox=self.outbox,
                local_results=LocalResults(database, owner=self.staging.owner),
                delivery=Sending(self.delivery, self.outbox, self.leases),
                inbound=Inbound(self.hub.storage, self.objects, self.staging, private_key),
                core=self.hub.core,
                storage=self.hub.storage,
                readiness=Readiness(
                    database,
                    self.objects,
                    None if settings.oidc.skip_jwt_validation else self.issuer_keys.current,
                ),
            ),
            settings,
        )

    def schedule(self) -> AsyncIOScheduler:
        """The rounds that repeat, none waiting for another; a round that runs long is not started twice."""
        scheduler = AsyncIOScheduler(
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None}
        )
        scheduler.add_listener(_round_failed, EVENT_JOB_ERROR)
        scheduler.add_job(self.leases.renew, "interval", id="leases", seconds=self.leases.renewal_interval)
        scheduler.add_job(self.gauges.round, "interval", id="gauges", seconds=GAUGES_INTERVAL_SECONDS)
        janitor_seconds = self._settings.janitor.interval_seconds
        scheduler.add_job(
            self.janitor.round, "interval", id="janitor", seconds=janitor_seconds, jitter=janitor_seconds / 10
        )
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
        """The outbox, once there is a schema."""
        await self.migrate()
        await self.worker.run()

    async def close(self) -> None:
        """Close every connection."""
        await self.issuer_keys.close()
        await self.hub.aclose()
        await self.transport.aclose()
        await self.objects.close()
        await self.database.close()


def _round_failed(event: JobExecutionEvent) -> None:
    """The edge of all repeated rounds: a defect is told and counted, and the next round comes all the same."""
    if isinstance(event.exception, asyncio.CancelledError):
        return  # the agent ends
    log.error("loop.failed", loop=event.job_id, exc_info=event.exception)
    metrics.LOOP_ERRORS.labels(event.job_id).inc()


async def run(settings: Settings) -> None:
    """Run the agent until SIGTERM or SIGINT.

    Then: no new requests and no new uploads; what runs may finish within the grace period; the leases of the rest
    are handed back, so that another agent, or this one after its restart, goes on at once.

    Raises:
        SettingsError: a port cannot be listened on.
    """
    sockets = bind(settings)
    agent = Agent(settings, await Database.open(settings))
    server = make_server(agent.app, settings)
    scheduler = agent.schedule()
    stopping: list[asyncio.Task[None]] = []

    def stop() -> None:
        if not stopping:
            log.info("agent.stopping", grace_seconds=settings.shutdown_grace_seconds)
            server.should_exit = True
            stopping.append(
                asyncio.create_task(agent.worker.stop(max(0.0, settings.shutdown_grace_seconds - 2)))
            )

    loop = asyncio.get_running_loop()
    for wanted in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(wanted, stop)

    log.info(
        "agent.started", version=__version__, host=settings.listen.host, ports=list(settings.listen.ports)
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
