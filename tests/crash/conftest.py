"""Agents that are killed, on real PostgreSQL, S3 and the development hub."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from flame_node_agent.devstack.testing import LazyParts

from .agent_process import AgentProcess
from .ground import Ground

PROFILES = ("0.8.21", "0.13")
"""A hub that wants its files linked by the node, and one that links them itself."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.crash)


@pytest.fixture(scope="module", params=PROFILES)
def ground(
    request: pytest.FixtureRequest, parts: LazyParts, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ground]:
    """Ground of one test module, with each kind of hub in turn."""
    directory = tmp_path_factory.mktemp("ground")
    with contextlib.closing(Ground(parts, parts.hub(request.param), directory)) as found:
        yield found


@pytest.fixture(scope="module")
def lasting_agent(ground: Ground) -> AgentProcess:
    """The agent of one test module, whose tests kill it and start it again."""
    return ground.agent()


@pytest.fixture
def agent(ground: Ground, lasting_agent: AgentProcess) -> AgentProcess:
    """That agent, running, without orders; and a hub without faults."""
    ground.hub.clear_faults()
    lasting_agent.disarm()
    lasting_agent.ensure_running()
    return lasting_agent


@pytest.fixture(scope="session")
def own_parts() -> Iterator[LazyParts]:
    """Servers for tests that kill servers; nobody else uses them."""
    with contextlib.closing(LazyParts()) as found:
        yield found


@pytest.fixture
def own_ground(request: pytest.FixtureRequest, own_parts: LazyParts, tmp_path: Path) -> Iterator[Ground]:
    """Fresh ground on those servers, all of which run; the parameter is the hub's release."""
    hub = own_parts.hub(getattr(request, "param", "0.13"))
    for server in (own_parts.postgres, own_parts.s3):
        if not server.child.alive:
            server.start()
    with contextlib.closing(Ground(own_parts, hub, tmp_path)) as found:
        yield found
