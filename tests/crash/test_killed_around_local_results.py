"""PUT /local and an agent that is killed: an answered result stays, an uncommitted one leaves nothing."""

from __future__ import annotations

import httpx
import pytest

from .agent_process import AgentProcess, Analysis
from .crash_points import Point
from .ground import Ground

pytestmark = [
    pytest.mark.xdist_group("crash-points"),
    pytest.mark.parametrize("ground", ["0.13"], indirect=True, scope="module"),
]

CONTENT = b"kept on this node"


def test_answered_local_result_can_be_read_after_a_kill(ground: Ground, agent: AgentProcess) -> None:
    analysis = ground.analysis()
    answer = agent.put("/local", analysis, "model.pkl", CONTENT, tag="round-1").raise_for_status()
    agent.kill()
    agent.start()
    found = agent.http.get(f"/local/{answer.json()['object_id']}", headers=analysis.headers)
    assert (found.status_code, found.content) == (200, CONTENT)
    assert _tagged(agent, analysis) == ["model.pkl"]
    ground.await_rest()


@pytest.mark.parametrize("fields", [{}, {"tag": "round-1"}], ids=["untagged", "tagged"])
def test_local_result_that_was_stored_but_not_committed_leaves_nothing(
    ground: Ground, agent: AgentProcess, fields: dict[str, str]
) -> None:
    analysis = ground.analysis()
    before = ground.held()
    agent.arm(Point.BEFORE_LOCAL_RECORD)
    with pytest.raises(httpx.TransportError):
        agent.put("/local", analysis, "model.pkl", CONTENT, **fields)
    agent.await_death()
    assert ground.held() != before, "there is nothing to sweep"
    agent.start()
    ground.await_rest()
    assert ground.held() == before
    assert _tagged(agent, analysis) == []


def test_local_result_that_was_committed_but_not_answered_is_whole(
    ground: Ground, agent: AgentProcess
) -> None:
    analysis = ground.analysis()
    agent.arm(Point.LOCAL_RECORDED)
    with pytest.raises(httpx.TransportError):
        agent.put("/local", analysis, "model.pkl", CONTENT, tag="round-1")
    agent.await_death()
    agent.start()
    ground.await_rest()
    [entry] = agent.http.get("/local/tags/round-1", headers=analysis.headers).json()["results"]
    assert agent.http.get(entry["url"], headers=analysis.headers).content == CONTENT


def _tagged(agent: AgentProcess, analysis: Analysis) -> list[str]:
    answer = agent.http.get("/local/tags/round-1", headers=analysis.headers).raise_for_status()
    return [entry["filename"] for entry in answer.json()["results"]]
