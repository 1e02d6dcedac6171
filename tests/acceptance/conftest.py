"""Agents and what they need, started once for each hub and way to sign in; analyses made fresh for each test.

A test that takes ``agent`` runs against every release of the development hub. ``live_agent`` is an agent at the hub
that the environment names, if it does, once for each way to sign in. ``any_agent`` is a single one. What else a test
takes (``hub_user``, ``analysis``) belongs to the same hub.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from flame_node_agent.devstack.testing import LazyParts, RunningHub
from tests.acceptance.agent_ground import AgentGround
from tests.acceptance.bearers import Bearer, Bearers
from tests.acceptance.discretion import TELLTALE, assert_discreet
from tests.acceptance.hub_accounts import Login, development_logins, live_logins
from tests.acceptance.hub_user import HubUser
from tests.acceptance.running_agents import RunningAgent

_LOG_TAIL = 20_000
_LOG_STARTS = pytest.StashKey[list[tuple[RunningAgent, int]]]()


@dataclass(frozen=True)
class Analysis:
    """An analysis of a project at the hub, and its token."""

    id: UUID
    project_id: UUID
    auth: Bearer


type NewAnalysis = Callable[..., Analysis]
type NewAgent = Callable[..., RunningAgent]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "live_agent" in metafunc.fixturenames:
        logins = live_logins(os.environ)
    elif "agent" in metafunc.fixturenames:
        logins = development_logins()
    elif "login" in metafunc.fixturenames:
        logins = development_logins()[:1]
    else:
        return
    # All tests of one login in one process of pytest-xdist, so that its agent is started once.
    parameters = [
        pytest.param(login, id=str(login), marks=pytest.mark.xdist_group(str(login))) for login in logins
    ]
    metafunc.parametrize("login", parameters, indirect=True, scope="session")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the agents have logged during a test that fails."""
    report = yield
    if report.failed:
        for agent, start in item.stash.get(_LOG_STARTS, []):
            if logged := agent.log(start):
                report.sections.append((f"log of the agent at {agent.server.url}", logged[-_LOG_TAIL:]))
    return report


@pytest.fixture(scope="session")
def bearers(parts: LazyParts) -> Bearers:
    return Bearers(parts.oidc)


@pytest.fixture(scope="session")
def ground(parts: LazyParts, bearers: Bearers) -> Iterator[AgentGround]:
    """At the end of the session, the whole log of each agent is searched for what must not be in it."""
    ground = AgentGround(parts)
    yield ground
    ground.close()
    for agent in ground.agents:
        if agent.server.was_started:
            assert_discreet(agent, bearers.issued, names=agent.environment.get("LOG__LEVEL") != "DEBUG")


@pytest.fixture(autouse=True)
def _log_starts(request: pytest.FixtureRequest, ground: AgentGround) -> Iterator[None]:
    starts = [(agent, len(agent.log().encode())) for agent in ground.agents]
    request.node.stash[_LOG_STARTS] = starts
    known = len(ground.agents)
    yield
    starts.extend((agent, 0) for agent in ground.agents[known:])


@pytest.fixture(scope="session")
def login(request: pytest.FixtureRequest) -> Login:
    found: Login = request.param
    return found


@pytest.fixture
def live_agent(ground: AgentGround, login: Login) -> RunningAgent:
    return ground.shared(login)


@pytest.fixture
def agent(ground: AgentGround, login: Login) -> RunningAgent:
    return ground.shared(login)


@pytest.fixture
def any_agent(ground: AgentGround, login: Login) -> RunningAgent:
    return ground.shared(login)


@pytest.fixture
def peer_agent(ground: AgentGround, login: Login) -> RunningAgent:
    """The agent of the other node on our curve, at the same hub; the hub's seed has its public key."""
    return ground.shared_peer(login)


@pytest.fixture
def new_agent(ground: AgentGround) -> Iterator[NewAgent]:
    """Makes agents of the test's own (see :meth:`AgentGround.make`); they are stopped at its end."""
    made: list[RunningAgent] = []

    def make(login: Login | None = None, **settings: str) -> RunningAgent:
        made.append(ground.make(login, **settings))
        return made[-1]

    yield make
    for agent in made:
        agent.stop()


@pytest.fixture
def hub_user(ground: AgentGround, login: Login) -> HubUser:
    """A user of the hub that the test's agent talks to."""
    return ground.user(login)


@pytest.fixture
def development_hub(parts: LazyParts, login: Login) -> Iterator[RunningHub]:
    """The development hub of the test's agent; it behaves again when the test has ended."""
    assert login.profile is not None
    hub = parts.hub(login.profile)
    yield hub
    hub.clear_faults()


@pytest.fixture
def new_analysis(hub_user: HubUser, bearers: Bearers) -> Iterator[NewAnalysis]:
    """Makes analyses, in a project of their own or in a given one; they are deleted at the end of the test."""
    projects: list[UUID] = []
    analyses: list[UUID] = []

    def make(project_id: UUID | None = None) -> Analysis:
        if project_id is None:
            project_id = hub_user.new_project()
            projects.append(project_id)
        analyses.append(hub_user.new_analysis(project_id))
        return Analysis(analyses[-1], project_id, bearers.of(analyses[-1]))

    yield make
    for analysis_id in analyses:
        hub_user.delete("analyses", analysis_id)
    for project_id in projects:
        hub_user.delete("projects", project_id)


@pytest.fixture
def analysis(new_analysis: NewAnalysis) -> Analysis:
    return new_analysis()


@pytest.fixture
def file_name() -> str:
    """A name no other test uses; it must not show up in any log."""
    return f"{TELLTALE}-{uuid4()}.bin"
