"""Two agents on one database, one bucket and one hub: they share the work, and neither harms what the other does."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from .agent_process import AgentProcess
from .crash_points import Point
from .ground import Ground
from .waiting import eventually

pytestmark = pytest.mark.xdist_group("crash-points")

CONTENT = bytes(range(256)) * (4 * 1024 * 4)


@pytest.fixture(scope="module")
def lasting_other(ground: Ground) -> AgentProcess:
    return ground.agent()


@pytest.fixture
def other(ground: Ground, lasting_other: AgentProcess) -> AgentProcess:
    """The second agent, running."""
    lasting_other.ensure_running()
    return lasting_other


def test_two_agents_share_the_outbox(ground: Ground, agent: AgentProcess, other: AgentProcess) -> None:
    analysis = ground.analysis()
    delivered_before = [_delivered(each) for each in (agent, other)]
    ground.hub.fault(match="POST /storage/*", down=True)
    contents = [f"result {number}".encode() for number in range(40)]
    sent = {
        (agent, other)[number % 2].accept(analysis, f"{number}.txt", content): content
        for number, content in enumerate(contents)
    }
    ground.hub.clear_faults()
    ground.hub.fault(match=analysis.upload_to("RESULT"), latency=0.1)
    ground.await_final(agent, sent, analysis)
    ground.await_rest()

    def shares() -> list[int]:
        counts = zip((agent, other), delivered_before, strict=True)
        return [_delivered(each) - before for each, before in counts]

    # An agent tells of a delivery after the database knows of it.
    eventually(lambda: _assert_at_least(sum(shares()), len(sent)))
    assert sum(shares()) == len(sent), "a result was delivered twice"
    assert min(shares()) > 0


@pytest.mark.parametrize("point", [Point.NAME_NOTED, Point.MID_UPLOAD, Point.UPLOADED, Point.UPLOAD_NOTED])
def test_agent_that_slept_longer_than_its_lease_does_no_harm(
    ground: Ground, agent: AgentProcess, other: AgentProcess, point: Point
) -> None:
    _take_over_from_a_sleeper(ground, agent, other, point)


@pytest.mark.parametrize("ground", ["0.8.21"], indirect=True, scope="module")
@pytest.mark.parametrize("point", [Point.BEFORE_LINK, Point.LINKED, Point.BEFORE_CLOSING])
def test_agent_that_slept_longer_than_its_lease_links_nothing_twice(
    ground: Ground, agent: AgentProcess, other: AgentProcess, point: Point
) -> None:
    _take_over_from_a_sleeper(ground, agent, other, point)


@pytest.mark.parametrize("ground", ["0.13"], indirect=True, scope="module")
@pytest.mark.parametrize(
    ("point", "size"),
    [(Point.OBJECT_STORED, 10), (Point.BEFORE_STORING, 10), (Point.PART_STORED, 20 * 1024 * 1024)],
)
@pytest.mark.parametrize("route", ["/final", "/local"])
def test_request_that_slept_longer_than_its_lease_is_told_to_come_back(
    ground: Ground, agent: AgentProcess, other: AgentProcess, route: str, point: Point, size: int
) -> None:
    analysis = ground.analysis()
    assert other.child.alive
    before = ground.held()
    agent.arm(point, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as client:
        answering = client.submit(agent.put, route, analysis, "model.pkl", bytes(size))
        agent.await_pause()
        eventually(lambda: _assert_swept(ground))
        agent.resume()
        answer = answering.result()
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    ground.await_rest()
    assert ground.held() == before
    assert ground.rows_of(analysis) == []
    assert agent.put(route, analysis, "model.pkl", bytes(size)).is_success


@pytest.mark.parametrize("ground", ["0.13"], indirect=True, scope="module")
def test_analysis_whose_agent_slept_is_told_to_come_back_and_nothing_is_left(
    ground: Ground, agent: AgentProcess, other: AgentProcess
) -> None:
    analysis = ground.analysis()
    assert other.child.alive
    agent.arm(Point.UPLOADED, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as client:
        answering = client.submit(agent.put, "/intermediate", analysis, "weights.pkl", CONTENT)
        agent.await_pause()
        eventually(lambda: _assert_states(ground, ["retracted"]))
        agent.resume()
        answer = answering.result()
    assert answer.status_code == 503, answer.text
    ground.await_rest()
    assert ground.hub_files(analysis) == []


def _take_over_from_a_sleeper(ground: Ground, agent: AgentProcess, other: AgentProcess, point: Point) -> None:
    analysis = ground.analysis()
    # The other agent waits until the first one has the upload.
    other.pause()
    agent.arm(point, signal.SIGSTOP)
    upload = agent.accept(analysis, "model.pkl", CONTENT)
    agent.await_pause()
    other.resume()
    other.await_state(analysis, upload, "delivered")
    agent.resume()
    # It goes on with what it was doing, and then with the next.
    later = agent.accept(analysis, "later.pkl", CONTENT[:1000])
    ground.await_final(agent, {upload: CONTENT, later: CONTENT[:1000]}, analysis)
    ground.await_rest()
    assert len(ground.ledger_of(analysis)) == 2


def _delivered(agent: AgentProcess) -> int:
    return agent.log.count('"upload.delivered"')


def _assert_at_least(count: int, wanted: int) -> None:
    assert count >= wanted


def _assert_swept(ground: Ground) -> None:
    assert ground.rows("staged_object") == []


def _assert_states(ground: Ground, wanted: list[str]) -> None:
    analysis = ground.analyses[-1]
    assert [row["state"] for row in ground.rows_of(analysis)] == wanted
