"""PUT /intermediate and a hub that is away: 503 within the deadline, and nothing is left at either side."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from .agent_process import AgentProcess, Analysis
from .ground import Ground

pytestmark = pytest.mark.xdist_group("crash-outages")

UPLOAD = "POST /storage/buckets/*/upload"
LOOK = "GET /storage/bucket-files"
LINK = "POST /core/analysis-bucket-files"
CONTENT = bytes(range(256)) * (3 * 1024 * 4)
"""3 MiB."""
DEADLINE_SECONDS = 4.0
"""As in ``QUICK``; lookups may take another second, and the machine is slow at times."""


def test_intermediate_result_is_refused_while_the_hub_is_away(ground: Ground, agent: AgentProcess) -> None:
    known, unknown = ground.analysis(), ground.analysis()
    agent.put("/intermediate", known, "known.pkl", CONTENT).raise_for_status()
    ground.hub.kill()
    try:
        _assert_unavailable(agent, known)
        _assert_unavailable(agent, unknown)
    finally:
        ground.hub.restart()
    ground.await_rest()
    assert [file["path"] for file in ground.hub_files(known)] == ["known.pkl"]


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
@pytest.mark.parametrize(
    "faults",
    [
        [{"match": UPLOAD, "down": True}],
        [{"match": UPLOAD, "status": 503, "headers": {"Retry-After": "30"}}],
        [{"match": UPLOAD, "disconnect": 2 * 1024 * 1024}],
        [{"match": UPLOAD, "latency": 10}],
        [{"match": UPLOAD, "lose_reply": True, "count": 1}, {"match": "/storage/*", "down": True}],
    ],
    ids=["down", "503", "disconnect", "latency", "lost-reply-then-away"],
)
def test_nothing_is_left_of_an_intermediate_result_that_could_not_be_delivered(
    ground: Ground, agent: AgentProcess, faults: list[dict[str, Any]], sealed: bool
) -> None:
    analysis = ground.analysis()
    fields = {"remote_node_id": str(ground.parts.nodes.peer.id)} if sealed else {}
    for fault in faults:
        ground.hub.fault(**{**fault, "match": fault["match"].replace("/storage/*", "* /storage/*")})
    _assert_unavailable(agent, analysis, **fields)
    ground.hub.clear_faults()
    ground.await_rest()
    assert [row["state"] for row in ground.rows_of(analysis)] == ["retracted"]
    assert ground.hub_files(analysis) == []


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
def test_intermediate_result_whose_answer_was_lost_is_found_again(
    ground: Ground, agent: AgentProcess, sealed: bool
) -> None:
    analysis = ground.analysis()
    fields = {"remote_node_id": str(ground.parts.nodes.peer.id)} if sealed else {}
    ground.hub.fault(match=UPLOAD, lose_reply=True, count=1)
    answer = agent.put("/intermediate", analysis, "weights.pkl", CONTENT, **fields)
    assert answer.status_code == 200, answer.text
    held = [(file["id"], file["path"]) for file in ground.hub_files(analysis)]
    assert held == [(answer.json()["object_id"], "weights.pkl")]
    ground.await_rest()


@pytest.mark.parametrize("ground", ["0.8.21"], indirect=True, scope="module")
def test_intermediate_result_whose_link_was_lost_is_linked_once(ground: Ground, agent: AgentProcess) -> None:
    analysis = ground.analysis()
    ground.hub.fault(match=LINK, lose_reply=True, count=1)
    assert agent.put("/intermediate", analysis, "weights.pkl", CONTENT).status_code == 200
    ground.await_rest()


def test_two_intermediate_results_of_one_name_are_two_files(ground: Ground, agent: AgentProcess) -> None:
    analysis = ground.analysis()
    answers = [
        agent.put("/intermediate", analysis, "weights.pkl", CONTENT).raise_for_status() for _ in range(2)
    ]
    held = {file["id"] for file in ground.hub_files(analysis)}
    assert held == {answer.json()["object_id"] for answer in answers}
    assert len(held) == 2
    ground.await_rest()


def _assert_unavailable(agent: AgentProcess, analysis: Analysis, **fields: str) -> httpx.Response:
    began = time.monotonic()
    answer = agent.put("/intermediate", analysis, "weights.pkl", CONTENT, **fields)
    took = time.monotonic() - began
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    assert took < DEADLINE_SECONDS + 3
    return answer
