"""PUT /intermediate and an agent that is killed before it could answer: nothing of it stays anywhere."""

from __future__ import annotations

import httpx
import pytest

from .agent_process import AgentProcess, Analysis
from .crash_points import Point
from .ground import Ground

pytestmark = pytest.mark.xdist_group("crash-points")

CONTENT = bytes(range(256)) * (4 * 1024 * 4)
"""4 MiB, twice of what is sent before the middle of an upload."""


@pytest.mark.parametrize(
    "point",
    [
        Point.OBJECT_STORED,
        Point.REQUEST_COMMITTED,
        Point.NAME_NOTED,
        Point.MID_UPLOAD,
        Point.UPLOADED,
        Point.DEPARTURE_WRITTEN,
        Point.UPLOAD_NOTED,
        Point.BEFORE_CLOSING,
    ],
)
def test_unanswered_intermediate_result_is_taken_back(
    ground: Ground, agent: AgentProcess, point: Point
) -> None:
    analysis = _kill_while_waiting(ground, agent, point)
    _assert_gone(ground, analysis)
    _assert_can_be_repeated(ground, agent, analysis)


@pytest.mark.parametrize("ground", ["0.8.21"], indirect=True, scope="module")
@pytest.mark.parametrize("point", [Point.BEFORE_LINK, Point.LINKED])
def test_unanswered_intermediate_result_is_taken_back_with_its_link(
    ground: Ground, agent: AgentProcess, point: Point
) -> None:
    analysis = _kill_while_waiting(ground, agent, point)
    _assert_gone(ground, analysis)


def test_unanswered_sealed_result_is_taken_back(ground: Ground, agent: AgentProcess) -> None:
    peer = str(ground.parts.nodes.peer.id)
    analysis = _kill_while_waiting(ground, agent, Point.UPLOADED, remote_node_id=peer)
    _assert_gone(ground, analysis)


@pytest.mark.parametrize("ground", ["0.13"], indirect=True, scope="module")
@pytest.mark.parametrize("point", [Point.FILE_TAKEN_BACK, Point.BEFORE_RETRACTED])
def test_taking_back_goes_on_after_another_kill(ground: Ground, agent: AgentProcess, point: Point) -> None:
    analysis = ground.analysis()
    agent.arm(Point.UPLOADED)
    agent.arm(point)
    with pytest.raises(httpx.TransportError):
        agent.put("/intermediate", analysis, "weights.pkl", CONTENT)
    agent.await_death()
    agent.start(until=None)
    agent.await_death()
    agent.start()
    _assert_gone(ground, analysis)


@pytest.mark.parametrize("ground", ["0.13"], indirect=True, scope="module")
def test_another_file_of_the_same_name_and_content_is_not_taken_back(
    ground: Ground, agent: AgentProcess
) -> None:
    analysis = ground.analysis()
    first = agent.put("/intermediate", analysis, "weights.pkl", CONTENT).raise_for_status().json()
    agent.arm(Point.NAME_NOTED)
    with pytest.raises(httpx.TransportError):
        agent.put("/intermediate", analysis, "weights.pkl", CONTENT)
    agent.await_death()
    agent.start()
    ground.await_rest()
    assert [file["id"] for file in ground.hub_files(analysis)] == [first["object_id"]]


def _kill_while_waiting(ground: Ground, agent: AgentProcess, point: Point, **fields: str) -> Analysis:
    analysis = ground.analysis()
    agent.arm(point)
    with pytest.raises(httpx.TransportError):
        agent.put("/intermediate", analysis, "weights.pkl", CONTENT, **fields)
    agent.await_death()
    agent.start()
    return analysis


def _assert_gone(ground: Ground, analysis: Analysis) -> None:
    ground.await_rest()
    assert ground.hub_files(analysis) == []
    assert [row["state"] for row in ground.rows_of(analysis)] in ([], ["retracted"])


def _assert_can_be_repeated(ground: Ground, agent: AgentProcess, analysis: Analysis) -> None:
    answer = agent.put("/intermediate", analysis, "weights.pkl", CONTENT)
    assert answer.status_code == 200, answer.text
    held = ground.hub_files(analysis)
    assert [(file["id"], file["path"]) for file in held] == [(answer.json()["object_id"], "weights.pkl")]
    fetched = agent.http.get(f"/intermediate/{answer.json()['object_id']}", headers=analysis.headers)
    assert fetched.content == CONTENT
