"""The result side of an agent: results of analyses come in at the endpoint and travel to the hub."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI

from flame_node_agent.agent.delivery import Delivery
from flame_node_agent.agent.gauges import Gauges
from flame_node_agent.agent.inbound import Inbound
from flame_node_agent.agent.janitor import Janitor
from flame_node_agent.agent.knowledge import Knowledge
from flame_node_agent.agent.leases import Leases
from flame_node_agent.agent.rounds import Rounds
from flame_node_agent.agent.sending import Sending
from flame_node_agent.agent.source import Pace
from flame_node_agent.agent.worker import Worker
from flame_node_agent.config.settings import Settings
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
from flame_node_agent.telemetry.readiness import Readiness

GAUGES_INTERVAL_SECONDS = 15


class ResultSide:
    """All parts between an analysis and the hub's storage."""

    def __init__(self, settings: Settings, database: Database, transport: Transport) -> None:
        """Must be called inside a running event loop; connects to nothing yet."""
        self._settings = settings
        outbox_settings = settings.outbox
        self.database = database
        self.objects = ObjectStore.open(settings)
        self.hub = Hub.open(settings, transport)
        self.staging = Staging(database, self.objects, lease_seconds=outbox_settings.lease_seconds)
        self.outbox = Outbox(
            database,
            owner=self.staging.owner,
            lease_seconds=outbox_settings.lease_seconds,
            on_enqueued=lambda: self.worker.nudge(),
        )
        self.knowledge = Knowledge(database, self.hub.core, ttl=settings.results.knowledge_ttl_seconds)
        self._private_key = settings.crypto.private_key()
        self.delivery = Delivery(
            hub=self.hub,
            objects=self.objects,
            outbox=self.outbox,
            knowledge=self.knowledge,
            private_key=self._private_key,
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
            lambda: transport.get_json(str(settings.oidc.certs_url)),
            algorithms=settings.oidc.algorithms,
            refresh_seconds=settings.oidc.jwks_refresh_seconds,
        )

    @property
    def needs(self) -> dict[str, Callable[[], Awaitable[object]]]:
        """What results are accepted with, beside the database; the hub is not among it."""
        needs: dict[str, Callable[[], Awaitable[object]]] = {"object_store": self.objects.check}
        if not self._settings.oidc.skip_jwt_validation:
            needs["signing_keys"] = self.issuer_keys.current
        return needs

    def app(self, readiness: Readiness) -> FastAPI:
        """The result endpoint."""
        return create_app(
            ResultDependencies(
                issuer_keys=self.issuer_keys,
                objects=self.objects,
                staging=self.staging,
                knowledge=self.knowledge,
                outbox=self.outbox,
                local_results=LocalResults(self.database, owner=self.staging.owner),
                delivery=Sending(self.delivery, self.outbox, self.leases),
                inbound=Inbound(self.hub.storage, self.objects, self.staging, self._private_key),
                core=self.hub.core,
                storage=self.hub.storage,
                readiness=readiness,
            ),
            self._settings,
        )

    def schedule(self, rounds: Rounds) -> None:
        """Add the rounds that repeat."""
        rounds.every("leases", self.leases.renewal_interval, self.leases.renew)
        rounds.every("gauges", GAUGES_INTERVAL_SECONDS, self.gauges.round)
        janitor_seconds = self._settings.janitor.interval_seconds
        rounds.every("janitor", janitor_seconds, self.janitor.round, jitter=janitor_seconds / 10)

    async def work(self) -> None:
        """Deliver what is in the outbox; the schema has to be there."""
        await self.worker.run()

    async def stop(self, grace: float) -> None:
        """Start no more uploads; let those under way finish for ``grace`` seconds, then hand them back."""
        await self.worker.stop(grace)

    async def close(self) -> None:
        """Close every connection of its own."""
        await self.issuer_keys.close()
        await self.hub.aclose()
        await self.objects.close()
