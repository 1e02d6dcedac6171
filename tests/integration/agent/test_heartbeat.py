"""Heartbeats with the health of real (absent) services, as the development hub takes them, in both of its eras."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from structlog.testing import capture_logs

from flame_node_agent.agent.health_collector import HealthCollector, roster
from flame_node_agent.agent.heartbeat import Heartbeat
from flame_node_agent.agent.hub_status import HubStatus
from flame_node_agent.agent.identity import IdentityCheck
from flame_node_agent.config.agent_settings import load_agent
from flame_node_agent.crypto.envelope import Keyring
from flame_node_agent.devstack.running_hub import RunningHub
from flame_node_agent.devstack.testing import LazyParts
from flame_node_agent.hub.tasks import TaskHub
from flame_node_agent.hub.transport import Transport
from flame_node_agent.hub.trust_services import TrustServices


@dataclass
class Ground:
    """Everything that a heartbeat needs."""

    collector: HealthCollector
    identity: IdentityCheck
    status: HubStatus
    heartbeat: Heartbeat


Open = Callable[..., AbstractAsyncContextManager[Ground]]


@pytest.fixture
def beating(parts: LazyParts) -> Open:
    """``async with beating(hub, **overrides) as ground``."""

    @asynccontextmanager
    async def opened(hub: RunningHub, **overrides: str) -> AsyncIterator[Ground]:
        environment = parts.agent_environment(hub, sides="tasks", **overrides)
        settings = load_agent(environment, env_file=None).tasks
        assert settings is not None
        transport, services = Transport(settings), TrustServices.open(settings)
        collector = HealthCollector(roster(settings, services), interval_seconds=30)
        identity = IdentityCheck(settings.expected_trust_id)
        status = HubStatus(Keyring.of(settings).fingerprints)
        heartbeat = Heartbeat(
            TaskHub(settings, transport), identity, status, lambda: collector.snapshot, interval_seconds=60
        )
        try:
            yield Ground(collector, identity, status, heartbeat)
        finally:
            await services.aclose()
            await transport.aclose()

    return opened


def online(hub: RunningHub) -> bool:
    answer = httpx.get(f"{hub.urls.api}/trust/health", trust_env=False, timeout=30)
    trusts: list[dict[str, Any]] = answer.raise_for_status().json()
    (ours,) = [trust for trust in trusts if trust["trust_id"] == str(hub.seed.trust.id)]
    return bool(ours["online"])


async def test_hub_takes_the_snapshot_of_a_trust_whose_services_are_away(
    dev_hub: Callable[..., RunningHub], beating: Open
) -> None:
    hub = dev_hub(fresh=True)
    assert not online(hub)
    async with beating(hub, FL_CLIENT_IMAGE_TAG="sha-1", EXPECTED_TRUST_ID=str(hub.seed.trust.id)) as ground:
        await ground.collector.round()
        assert ground.collector.snapshot is not None
        with capture_logs() as events:
            await ground.heartbeat.round()
    assert [event["event"] for event in events] == ["identity.confirmed"]
    assert online(hub)
    assert ground.status.hub_key_match is True
    assert ground.status.hub_version
    assert not ground.identity.mismatch.is_set()


async def test_node_that_is_meant_to_be_another_trust_must_stop(
    dev_hub: Callable[..., RunningHub], beating: Open
) -> None:
    async with beating(dev_hub(), EXPECTED_TRUST_ID=str(uuid4())) as ground:
        await ground.heartbeat.round()
    assert ground.identity.mismatch.is_set()


async def test_hub_of_the_older_era_hears_the_heartbeat_and_says_nothing_of_itself(
    parts: LazyParts, beating: Open
) -> None:
    hub = parts.hub(task_options=("--task-routes", "named"))
    async with beating(hub, TRUST_NAME=hub.seed.trust.name) as ground:
        await ground.collector.round()
        with capture_logs() as events:
            await ground.heartbeat.round()
    assert not [event for event in events if event["log_level"] in {"warning", "error"}]
    assert online(hub)
    assert (ground.status.hub_version, ground.status.hub_key_match) == (None, None)


async def test_key_that_the_hub_does_not_seal_with_is_noticed(
    dev_hub: Callable[..., RunningHub], beating: Open
) -> None:
    async with beating(dev_hub(), AES_KEY_BASE64="A" * 43 + "=") as ground:
        with capture_logs() as events:
            await ground.heartbeat.round()
    assert "hub.key_mismatch" in [event["event"] for event in events]
    assert ground.status.hub_key_match is False


async def test_key_of_another_trust_is_refused_and_told(
    dev_hub: Callable[..., RunningHub], beating: Open
) -> None:
    async with beating(dev_hub(), TRUST_API_KEY="another-key") as ground:
        with capture_logs() as events:
            await ground.heartbeat.round()
    (event,) = events
    assert event["reason"] == "HTTP 401 - Invalid API Key."
