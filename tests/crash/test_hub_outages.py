"""A hub that is away, late, wrong or full of refusals: accepted results arrive once all the same."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from .agent_process import AgentProcess
from .crash_points import Point
from .ground import Ground, sha256

pytestmark = pytest.mark.xdist_group("crash-outages")

UPLOAD = "POST /storage/buckets/*/upload"
LINK = "POST /core/analysis-bucket-files"
CONTENT = bytes(range(256)) * (3 * 1024 * 4)
"""3 MiB."""


def test_results_are_accepted_while_the_hub_is_away_and_delivered_when_it_is_back(
    ground: Ground, agent: AgentProcess
) -> None:
    known, unknown = ground.analysis(), ground.analysis()
    first = agent.accept(known, "first.bin", b"before")
    agent.await_state(known, first, "delivered")
    ground.hub.kill()
    try:
        during = agent.accept(known, "second.bin", b"during")
        of_unknown = agent.accept(unknown, "first.bin", b"of an analysis never seen before")
        agent.kill()
        agent.start()
        assert agent.state(known, during) in {"waiting", "uploading"}
    finally:
        ground.hub.restart()
    ground.await_final(agent, {first: b"before", during: b"during"}, known)
    ground.await_final(agent, {of_unknown: b"of an analysis never seen before"}, unknown)
    ground.await_rest()


@pytest.mark.parametrize(
    "fault",
    [
        {"match": UPLOAD, "status": 500},
        {"match": UPLOAD, "status": 502, "html": True},
        {"match": UPLOAD, "status": 200, "html": True},
        {"match": UPLOAD, "status": 404, "html": True},
        {"match": UPLOAD, "status": 401},
        {"match": UPLOAD, "down": True},
        {"match": UPLOAD, "disconnect": 1024 * 1024},
        {"match": UPLOAD, "disconnect": 3 * 1024 * 1024},
        {"match": UPLOAD, "lose_reply": True},
        {"match": "POST /auth/token", "status": 503, "headers": {"Retry-After": "1"}},
    ],
    ids=lambda fault: "-".join(str(value) for key, value in fault.items() if key not in {"match", "headers"}),
)
def test_result_arrives_once_after_failed_attempts(
    ground: Ground, agent: AgentProcess, fault: dict[str, Any]
) -> None:
    analysis = ground.analysis()
    ground.hub.fault(**fault, count=3)
    upload = agent.accept(analysis, "model.pkl", CONTENT)
    ground.await_final(agent, {upload: CONTENT}, analysis)
    ground.await_rest()


def test_result_arrives_once_from_an_agent_that_gave_up_waiting_for_the_answer(
    ground: Ground, agent: AgentProcess
) -> None:
    analysis = ground.analysis()
    ground.hub.fault(match=UPLOAD, latency=5, count=1)  # the agent waits for 3 s
    upload = agent.accept(analysis, "model.pkl", b"small enough to be sent whole")
    ground.await_final(agent, {upload: b"small enough to be sent whole"}, analysis)
    ground.await_rest()


@pytest.mark.parametrize("ground", ["0.8.21"], indirect=True, scope="module")
@pytest.mark.parametrize("fault", [{"lose_reply": True}, {"status": 500}, {"down": True}], ids=str)
def test_result_is_linked_once_after_failed_attempts(
    ground: Ground, agent: AgentProcess, fault: dict[str, Any]
) -> None:
    analysis = ground.analysis()
    ground.hub.fault(match=LINK, **fault, count=3)
    upload = agent.accept(analysis, "model.pkl", CONTENT)
    ground.await_final(agent, {upload: CONTENT}, analysis)
    ground.await_rest()


def test_hub_that_asks_for_a_pause_gets_it(ground: Ground, agent: AgentProcess) -> None:
    analysis = ground.analysis()
    ground.hub.fault(match=UPLOAD, status=429, headers={"Retry-After": "2"}, count=1)
    upload = agent.accept(analysis, "model.pkl", CONTENT)
    ground.await_final(agent, {upload: CONTENT}, analysis)
    [row] = ground.rows_of(analysis)
    assert (row["finished_at"] - row["created_at"]).total_seconds() >= 2
    assert row["attempts"] == 2


def test_name_that_holds_other_content_gets_a_suffix_and_nothing_is_overwritten(
    ground: Ground, agent: AgentProcess
) -> None:
    analysis = ground.analysis()
    first = agent.accept(analysis, "model.pkl", b"first")
    agent.await_state(analysis, first, "delivered")
    second = agent.accept(analysis, "model.pkl", b"second")
    ground.await_final(agent, {first: b"first", second: b"second"}, analysis)
    paths = {file["sha256"]: file["path"] for file in ground.hub_files(analysis)}
    assert paths[sha256(b"first")] == "model.pkl"
    assert paths[sha256(b"second")] == f"model-{second.hex[:8]}.pkl"
    ground.await_rest()


def test_same_name_and_content_again_is_one_file(ground: Ground, agent: AgentProcess) -> None:
    analysis = ground.analysis()
    for _ in range(2):
        agent.await_state(analysis, agent.accept(analysis, "model.pkl", CONTENT), "delivered")
    assert Counter(file["sha256"] for file in ground.hub_files(analysis)) == {sha256(CONTENT): 1}


@pytest.mark.parametrize("status", [403, 400])
def test_final_refusal_is_parked_shown_and_replayed_by_the_operator(
    ground: Ground, agent: AgentProcess, status: int
) -> None:
    analysis = ground.analysis()
    ground.hub.fault(match=UPLOAD, status=status)
    upload = agent.accept(analysis, "model.pkl", CONTENT)
    agent.await_state(analysis, upload, "failed")
    listed = agent.command("outbox", "list", "--state", "failed").stdout
    [line] = [line for line in listed.splitlines() if str(upload) in line]
    assert f"HubRefused: {status}" in line
    ground.hub.clear_faults()
    retried = agent.command("outbox", "retry", str(upload))
    assert retried.returncode == 0, retried.stderr
    ground.await_final(agent, {upload: CONTENT}, analysis)
    ground.await_rest()


def test_bucket_that_is_gone_parks_the_result(ground: Ground, agent: AgentProcess) -> None:
    analysis = ground.analysis()
    ground.hub.fault(match=UPLOAD, status=404)
    upload = agent.accept(analysis, "model.pkl", CONTENT)
    agent.await_state(analysis, upload, "failed")
    assert "404" in str(ground.rows_of(analysis)[0]["last_error"])


def test_other_results_arrive_while_one_is_refused_and_one_is_slow(
    ground: Ground, agent: AgentProcess
) -> None:
    slow, refused, well = ground.analysis(), ground.analysis(), ground.analysis()
    agent.await_state(slow, agent.accept(slow, "model.pkl", b"known"), "delivered")
    ground.hub.fault(match=UPLOAD, latency=4, count=1)
    slow_one = agent.accept(slow, "slow.pkl", b"slow")
    _await_hit(ground)
    ground.hub.fault(match=UPLOAD, status=403, count=1)
    refused_one = agent.accept(refused, "model.pkl", CONTENT)
    agent.await_state(refused, refused_one, "failed")
    began = time.monotonic()
    for number in range(10):
        agent.await_state(well, agent.accept(well, f"{number}.pkl", b"quick"), "delivered", seconds=3)
    assert time.monotonic() - began < 3.5
    agent.await_state(slow, slow_one, "delivered")


def _await_hit(ground: Ground) -> None:
    """Wait until the hub has met the first request that one of its faults is about."""
    from .waiting import eventually

    def hit() -> None:
        assert any(fault["hits"] for fault in ground.hub.admin.get("/faults").json())

    eventually(hit)


def test_kill_during_an_outage_loses_nothing(ground: Ground, agent: AgentProcess) -> None:
    analysis = ground.analysis()
    ground.hub.fault(match=UPLOAD, lose_reply=True)
    agent.arm(Point.NAME_NOTED)
    upload = agent.accept(analysis, "model.pkl", CONTENT)
    agent.await_death()
    agent.start()
    ground.hub.clear_faults()
    ground.await_final(agent, {upload: CONTENT}, analysis)
    ground.await_rest()
