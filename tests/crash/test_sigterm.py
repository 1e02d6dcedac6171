"""SIGTERM: the agent ends in order and in time, and what it could not finish is anybody's at once."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import httpx
import psycopg
import pytest

from .agent_process import AgentProcess, Analysis
from .ground import Ground
from .leaving_clients import put_in_two_goes
from .waiting import eventually

pytestmark = pytest.mark.xdist_group("crash-outages")

CONTENT = bytes(range(256)) * (4 * 1024 * 4)
GRACE_SECONDS = 5
"""As in ``QUICK``."""
EXIT_SECONDS = GRACE_SECONDS + 2
"""Machines are slow at times."""

PATIENT = {"HTTP__READ_TIMEOUT_SECONDS": "8", "RESULTS__INTERMEDIATE_DEADLINE_SECONDS": "8"}
"""Longer than the grace period."""

only_one_hub = pytest.mark.parametrize("ground", ["0.13"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def lasting_agent(ground: Ground) -> AgentProcess:
    """An agent that waits for the hub for longer than it has to end."""
    return ground.agent(**PATIENT)


@only_one_hub
def test_idle_agent_ends_at_once(agent: AgentProcess) -> None:
    began = time.monotonic()
    assert agent.stop(seconds=EXIT_SECONDS) == 0, agent.log
    assert time.monotonic() - began < 3


@only_one_hub
def test_uploads_that_can_be_finished_are_finished(ground: Ground, agent: AgentProcess) -> None:
    analysis = ground.analysis()
    ground.hub.fault(match=analysis.upload_to("RESULT"), latency=1)
    upload = agent.accept(analysis, "model.pkl", CONTENT)
    _await_uploading(ground, analysis)
    assert agent.stop(seconds=EXIT_SECONDS) == 0, agent.log
    assert [(row["state"], row["attempts"]) for row in ground.rows_of(analysis)] == [("delivered", 1)]
    agent.start()
    ground.await_final(agent, {upload: CONTENT}, analysis)
    ground.await_rest()


def test_leases_of_unfinished_uploads_are_handed_back(ground: Ground, agent: AgentProcess) -> None:
    analysis = ground.analysis()
    ground.hub.fault(match=analysis.upload_to("RESULT"), latency=30)
    sent = {agent.accept(analysis, f"{number}.pkl", CONTENT): CONTENT for number in range(6)}
    _await_uploading(ground, analysis)
    assert agent.stop(seconds=EXIT_SECONDS) == 0, agent.log
    rows = ground.rows_of(analysis)
    assert {row["state"] for row in rows} == {"waiting"}
    assert {row["lease_token"] for row in rows} == {None}
    assert _due(ground, analysis) == len(sent)
    assert {row["attempts"] for row in rows} == {0}
    ground.hub.clear_faults()
    agent.start()
    for upload in sent:
        agent.await_state(analysis, upload, "delivered")
    ground.await_rest()


@only_one_hub
def test_request_under_way_is_still_answered(ground: Ground, agent: AgentProcess) -> None:
    analysis = ground.analysis()

    def terminate() -> None:
        os.kill(agent.child.pid, signal.SIGTERM)
        eventually(lambda: _assert_refuses_connections(agent))

    answer = put_in_two_goes(
        agent, "/final", analysis, size=len(CONTENT), before=1024 * 1024, between=terminate
    )
    assert answer.status_code == 204, answer.text
    assert agent.stop(seconds=EXIT_SECONDS) == 0, agent.log
    agent.start()
    agent.await_state(analysis, UUID(answer.headers["X-Upload-Id"]), "delivered")
    ground.await_rest()


@only_one_hub
def test_requests_that_cannot_be_finished_leave_nothing(ground: Ground, agent: AgentProcess) -> None:
    silent, waiting = ground.analysis(), ground.analysis()
    before = ground.held()
    ground.hub.fault(match=waiting.upload_to("TEMP"), latency=30)

    def stay_silent() -> None:
        while agent.child.alive:
            time.sleep(0.05)

    sizes = {"size": 20 * 1024 * 1024, "before": 10 * 1024 * 1024}
    with ThreadPoolExecutor(2) as clients:
        unsent = clients.submit(put_in_two_goes, agent, "/final", silent, **sizes, between=stay_silent)
        answer = clients.submit(agent.put, "/intermediate", waiting, "weights.pkl", CONTENT)
        _await_uploading(ground, waiting)
        eventually(lambda: _assert_begun(ground))
        assert agent.stop(seconds=EXIT_SECONDS) == 0, agent.log
    for request in (unsent, answer):
        failure = request.exception()
        assert isinstance(failure, httpx.TransportError) or request.result().status_code >= 500
    ground.hub.clear_faults()
    agent.start()
    ground.await_rest()
    assert ground.held() == before
    assert ground.hub_files(waiting) == ground.hub_files(silent) == []


def _due(ground: Ground, analysis: Analysis) -> int:
    """How many uploads another agent could claim now, by the database's clock."""
    with psycopg.connect(ground.database.dsn) as connection:
        found = connection.execute(
            "SELECT count(*) FROM outbox WHERE analysis_id = %s AND not_before <= now()", [analysis.id]
        ).fetchone()
    assert found is not None
    return int(found[0])


def _await_uploading(ground: Ground, analysis: Analysis) -> None:
    def uploading() -> None:
        assert any(row["state"] == "uploading" and row["hub_path"] for row in ground.rows_of(analysis))

    eventually(uploading)


def _assert_begun(ground: Ground) -> None:
    assert ground.held().unfinished != []


def _assert_refuses_connections(agent: AgentProcess) -> None:
    with httpx.Client(trust_env=False) as client:
        try:
            answered = client.get(agent.url + "/healthz").status_code
        except httpx.TransportError:
            return
    raise AssertionError(f"answered {answered}")
