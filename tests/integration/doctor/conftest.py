"""A node with everything it needs, to be looked at as it is or with one thing wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flame_node_agent.config.agent_settings import load_agent
from flame_node_agent.devstack.running_hub import RunningHub
from flame_node_agent.doctor.examination import examine
from flame_node_agent.doctor.findings import Finding
from flame_node_agent.doctor.ground import Ground, Service
from flame_node_agent.stores.database import Database
from tests.conftest import EnvironmentFactory, HubFactory
from tests.unit.hub.authorities import Authority, make_authority

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")

type Examined = Callable[..., Awaitable[dict[str, Finding]]]


@pytest.fixture(autouse=True)
def _no_proxies_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def hub(dev_hub: HubFactory) -> Iterator[RunningHub]:
    """The hub of the session; it behaves again when the test has ended."""
    hub = dev_hub()
    yield hub
    hub.clear_faults()


@pytest.fixture
def examined(node_env: EnvironmentFactory, hub: RunningHub, tmp_path: Path) -> Examined:
    """``await examined(sides=…, **variables)``: what the doctor says of an agent; no Docker is in reach."""

    async def look(
        *,
        at: RunningHub | None = None,
        migrated: bool = False,
        sides: str = "tasks",
        kit: Path | None = None,
        ground: dict[str, Any] | None = None,
        without: tuple[str, ...] = (),
        seconds: float = 60.0,
        **overrides: str,
    ) -> dict[str, Finding]:
        environment = {"PATH": str(tmp_path)} | node_env(at or hub, sides=sides, **overrides)
        for name in without:
            del environment[name]
        if migrated:
            database = await Database.open(load_agent(environment, env_file=None).shared)
            await database.migrate()
            await database.close()
        seen = Ground.load(Service.AGENT, env=environment, env_file=None, kit=kit)
        for name, value in (ground or {}).items():
            setattr(seen, name, value)
        return await examine(seen, seconds=seconds)

    return look


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path)
