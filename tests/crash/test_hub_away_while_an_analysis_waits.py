"""PUT /intermediate and a hub that is away: 503 within the deadline, and nothing is left at either side."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from .agent_process import AgentProcess, Analysis
from .crash_points import Point
from .ground import Ground
from .slow_gateway import slow_gateway
from .waiting import eventually

pytestmark = pytest.mark.xdist_group("crash-outages")

LINK = "POST /core/analysis-bucket-files"
CONTENT = bytes(range(256)) * (3 * 1024 * 4)
"""3 MiB."""
DEADLINE_SECONDS = 3.0
"""As in ``QUICK``."""

FAULTS: list[dict[str, Any]] = [
    {"down": True},
    {"status": 503, "headers": {"Retry-After": "30"}},
    {"disconnect": 2 * 1024 * 1024},
]


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


def test_nothing_is_left_of_intermediate_results_that_could_not_be_delivered(
    ground: Ground, agent: AgentProcess
) -> None:
    # All at once, as each takes until the deadline, and then as long as the hub may still be busy with it.
    analyses = [ground.analysis() for _ in FAULTS]
    for analysis, fault in zip(analyses, FAULTS, strict=True):
        ground.hub.fault(match=analysis.upload_to("TEMP"), **fault)
    _assert_all_unavailable(agent, [(analysis, CONTENT, {}) for analysis in analyses])
    ground.hub.clear_faults()
    ground.await_rest()
    for analysis in analyses:
        assert [row["state"] for row in ground.rows_of(analysis)] == ["retracted"]
        assert ground.hub_files(analysis) == []


@pytest.mark.parametrize("ground", ["0.13"], indirect=True, scope="module")
def test_file_that_the_hub_finishes_after_the_agent_has_given_up_is_taken_back(ground: Ground) -> None:
    sealed = {"remote_node_id": str(ground.parts.nodes.peer.id)}
    requests = [(ground.analysis(), CONTENT, fields) for fields in ({}, sealed)]
    with slow_gateway(
        ground.hub.urls.storage.removesuffix("/storage"), upload_seconds=DEADLINE_SECONDS + 1.5
    ) as gateway:
        agent = ground.running_agent(HUB__STORAGE_BASE_URL=f"{gateway}/storage")
        _assert_all_unavailable(agent, requests)
        eventually(lambda: _assert_departed(ground, [analysis for analysis, _, _ in requests]))
        ground.await_rest()
        agent.kill()
    for analysis, _, _ in requests:
        assert ground.hub_files(analysis) == []


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
def test_file_that_arrived_is_taken_back_when_the_hub_went_away_before_it_was_known(
    ground: Ground, agent: AgentProcess, sealed: bool
) -> None:
    analysis = ground.analysis()
    fields = {"remote_node_id": str(ground.parts.nodes.peer.id)} if sealed else {}
    ground.hub.fault(match=analysis.upload_to("TEMP"), lose_reply=True, count=1)
    ground.hub.fault(match="GET /storage/bucket-files/*/stream", down=True)
    _assert_unavailable(agent, analysis, **fields)
    assert len(ground.hub_files(analysis)) == 1
    ground.hub.clear_faults()
    ground.await_rest()
    assert ground.hub_files(analysis) == []
    assert [row.departure.sealed_for is not None for row in ground.ledger_of(analysis)] == [sealed]


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
def test_intermediate_result_whose_answer_was_lost_is_found_again(
    ground: Ground, agent: AgentProcess, sealed: bool
) -> None:
    analysis = ground.analysis()
    fields = {"remote_node_id": str(ground.parts.nodes.peer.id)} if sealed else {}
    ground.hub.fault(match=analysis.upload_to("TEMP"), lose_reply=True, count=1)
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


def _assert_departed(ground: Ground, analyses: list[Analysis]) -> None:
    for analysis in analyses:
        assert len(ground.ledger_of(analysis)) == 1


def _assert_all_unavailable(
    agent: AgentProcess, requests: list[tuple[Analysis, bytes, dict[str, str]]]
) -> None:
    with ThreadPoolExecutor(len(requests)) as clients:
        waits = [
            clients.submit(_assert_unavailable, agent, analysis, content, **fields)
            for analysis, content, fields in requests
        ]
    for wait in waits:
        wait.result()


def _assert_unavailable(
    agent: AgentProcess, analysis: Analysis, content: bytes = CONTENT, **fields: str
) -> None:
    began = time.monotonic()
    answer = agent.put("/intermediate", analysis, "weights.pkl", content, **fields)
    took = time.monotonic() - began
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    assert took < DEADLINE_SECONDS + 4, "a lookup may take a second more, and machines are slow at times"


@pytest.mark.parametrize("ground", ["0.13"], indirect=True, scope="module")
def test_delivered_file_is_not_taken_back_with_another_of_the_same_name_and_content(ground: Ground) -> None:
    """One request died before its file arrived, another is in the midst of being answered."""
    analysis = ground.analysis()
    first = ground.running_agent()
    second = ground.running_agent(
        OUTBOX__LEASE_SECONDS="60",
        RESULTS__INTERMEDIATE_DEADLINE_SECONDS="90",  # goes on while the agent is stopped
    )
    first.arm(Point.NAME_NOTED)
    with pytest.raises(httpx.TransportError):
        first.put("/intermediate", analysis, "weights.pkl", CONTENT)
    first.await_death()
    # Between the hub's answer and the note of it.
    second.arm(Point.UPLOADED, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as client:
        answering = client.submit(second.put, "/intermediate", analysis, "weights.pkl", CONTENT)
        eventually(lambda: _assert_holds_one(ground, analysis))
        first.start()
        eventually(lambda: _assert_is_being_taken_back(ground, analysis))
        second.resume()
        answer = answering.result()
    assert answer.status_code == 200, answer.text
    ground.await_rest()
    assert [file["id"] for file in ground.hub_files(analysis)] == [answer.json()["object_id"]]
    for agent in (first, second):
        agent.kill()


def _assert_holds_one(ground: Ground, analysis: Analysis) -> None:
    assert len(ground.hub_files(analysis)) == 1


def _assert_is_being_taken_back(ground: Ground, analysis: Analysis) -> None:
    assert any(row["state"] == "retracting" and row["attempts"] > 1 for row in ground.rows_of(analysis))
