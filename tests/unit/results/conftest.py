"""The result endpoint with everything behind it in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import httpx
import pytest
import stamina
from fastapi import FastAPI

from flame_node_agent.config.settings import Settings, load_settings
from flame_node_agent.results.app import create_app
from flame_node_agent.results.ports import ResultDependencies
from tests.unit.results.hub_double import (
    DeliveryDouble,
    HubDouble,
    InboundDouble,
    KnowledgeDouble,
    ReadinessDouble,
)
from tests.unit.results.issuer_double import IssuerDouble
from tests.unit.results.stores_double import LocalResultsDouble, ObjectsDouble, OutboxDouble, StagingDouble
from tests.unit.settings_samples import COMPLETE, KEY

BASE_URL = "http://nginx-analysis"


@pytest.fixture(autouse=True)
def _no_repeats() -> Iterator[None]:
    stamina.set_testing(True, attempts=1)
    yield
    stamina.set_testing(False)


@dataclass
class Endpoint:
    """The application and its surroundings."""

    app: FastAPI
    client: httpx.AsyncClient
    settings: Settings
    issuer: IssuerDouble
    hub: HubDouble
    knowledge: KnowledgeDouble
    objects: ObjectsDouble
    staging: StagingDouble
    outbox: OutboxDouble
    local_results: LocalResultsDouble
    delivery: DeliveryDouble
    inbound: InboundDouble
    readiness: ReadinessDouble

    def auth(self, client_id: UUID | str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.issuer.token(client_id)}"}

    @property
    def left_behind(self) -> list[str]:
        """Objects and intents that belong to nothing."""
        claimed = {new.object_key for new in self.outbox.new.values()}
        objects = [key for key in self.objects.held if key.startswith("outbox/") and key not in claimed]
        return [*objects, *self.staging.intents]


MakeEndpoint = Callable[..., Endpoint]


def assemble(**environment: str) -> Endpoint:
    """Put an endpoint together, with its settings changed by ``environment``."""
    settings = load_settings(env={**COMPLETE, **environment}, env_file=None)
    issuer, hub, objects = IssuerDouble(), HubDouble(KEY), ObjectsDouble()
    staging, knowledge, readiness = StagingDouble(objects), KnowledgeDouble(hub), ReadinessDouble()
    outbox, local_results = OutboxDouble(staging), LocalResultsDouble(staging)
    delivery, inbound = DeliveryDouble(hub, objects, staging), InboundDouble(hub)
    app = create_app(
        ResultDependencies(
            issuer_keys=issuer.keys_for(settings.oidc),
            objects=objects,
            staging=staging,
            knowledge=knowledge,
            outbox=outbox,
            local_results=local_results,
            delivery=delivery,
            inbound=inbound,
            core=hub,
            storage=hub,
            readiness=readiness,
        ),
        settings,
    )
    return Endpoint(
        app=app,
        client=httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE_URL),
        settings=settings,
        issuer=issuer,
        hub=hub,
        knowledge=knowledge,
        objects=objects,
        staging=staging,
        outbox=outbox,
        local_results=local_results,
        delivery=delivery,
        inbound=inbound,
        readiness=readiness,
    )


@pytest.fixture
async def make_endpoint() -> AsyncIterator[MakeEndpoint]:
    made: list[Endpoint] = []

    def make(**environment: str) -> Endpoint:
        made.append(assemble(**environment))
        return made[-1]

    yield make
    for endpoint in made:
        await endpoint.client.aclose()


@pytest.fixture
def endpoint(make_endpoint: MakeEndpoint) -> Endpoint:
    return make_endpoint()


@pytest.fixture
def analysis(endpoint: Endpoint) -> UUID:
    return endpoint.hub.add_analysis()


@pytest.fixture
def auth(endpoint: Endpoint, analysis: UUID) -> dict[str, str]:
    return endpoint.auth(analysis)
