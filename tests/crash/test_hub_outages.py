"""A hub that is away, late, wrong or full of refusals: accepted results arrive once all the same."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from .agent_process import AgentProcess
from .crash_points import Point
from .ground import Ground, sha256

pytestmark = pytest.mark.xdist_group("crash-outages")

only_newest = pytest.mark.parametrize("ground", ["0.13"], indirect=True, scope="module")

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


@only_newest
@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 502, "html": True},
        {"status": 200, "html": True},
        {"status": 404, "html": True},
        {"status": 401},
        {"down": True},
        {"disconnect": 1024 * 1024},
        {"disconnect": 3 * 1024 * 1024},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_result_arrives_once_after_failed_attempts(
    ground: Ground, agent: AgentProcess, fault: dict[str, Any]
) -> None:
    analysis = ground.analysis()
    ground.hub.fault(match=analysis.upload_to("RESULT"), **fault, count=3)
    upload = agent.accept(analysis, "model.pkl", CONTENT)
    ground.await_final(agent, {upload: CONTENT}, analysis)
    ground.await_rest()


def test_result_arrives_once_although_answers_are_lost(ground: Ground, agent: AgentProcess) -> None:
    analysis = ground.analysis()
    ground.hub.fault(match=analysis.upload_to("RESULT"), lose_reply=True)
    upload = agent.accept(analysis, "model.pkl", CONTENT)
    ground.await_final(agent, {upload: CONTENT}, analysis)
    ground.await_rest()


def test_result_arrives_once_from_an_agent_that_gave_up_waiting_for_the_answer(
    ground: Ground, agent: AgentProcess
) -> None:
    analysis = ground.analysis()
    ground.hub.fault(match=analysis.upload_to("RESULT"), latency=5, count=1)  # the agent waits for 3 s
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


@only_newest
def test_hub_that_asks_for_a_pause_gets_it(ground: Ground, agent: AgentProcess) -> None:
    analysis = ground.analysis()
    ground.hub.fault(match=analysis.upload_to("RESULT"), status=429, headers={"Retry-After": "2"}, count=1)
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


@only_newest
@pytest.mark.parametrize("status", [403, 400])
def test_final_refusal_is_parked_shown_and_replayed_by_the_operator(
    ground: Ground, agent: AgentProcess, status: int
) -> None:
    analysis = ground.analysis()
    ground.hub.fault(match=analysis.upload_to("RESULT"), status=status)
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


@only_newest
def test_bucket_that_is_gone_parks_the_result(ground: Ground, agent: AgentProcess) -> None:
    analysis = ground.analysis()
    ground.hub.fault(match=analysis.upload_to("RESULT"), status=404)
    upload = agent.accept(analysis, "model.pkl", CONTENT)
    agent.await_state(analysis, upload, "failed")
    assert "404" in str(ground.rows_of(analysis)[0]["last_error"])


@only_newest
def test_other_results_arrive_while_one_is_refused_and_one_is_slow(
    ground: Ground, agent: AgentProcess
) -> None:
    slow, refused, well = ground.analysis(), ground.analysis(), ground.analysis()
    ground.hub.fault(match=slow.upload_to("RESULT"), latency=60)
    ground.hub.fault(match=refused.upload_to("RESULT"), status=403)
    slow_one = agent.accept(slow, "slow.pkl", CONTENT)
    agent.await_state(refused, agent.accept(refused, "model.pkl", CONTENT), "failed")
    for number in range(10):
        agent.await_state(well, agent.accept(well, f"{number}.pkl", CONTENT), "delivered")
    assert agent.state(slow, slow_one) in {"waiting", "uploading"}
    ground.hub.clear_faults()
    agent.await_state(slow, slow_one, "delivered")


@only_newest
def test_kill_during_an_outage_loses_nothing(ground: Ground, agent: AgentProcess) -> None:
    analysis = ground.analysis()
    ground.hub.fault(match=analysis.upload_to("RESULT"), lose_reply=True)
    agent.arm(Point.NAME_NOTED)
    upload = agent.accept(analysis, "model.pkl", CONTENT)
    agent.await_death()
    agent.start()
    ground.hub.clear_faults()
    ground.await_final(agent, {upload: CONTENT}, analysis)
    ground.await_rest()
