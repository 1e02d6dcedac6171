"""PostgreSQL or S3 away: analyses are told to come back, the agent stays alive, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx
import pytest

from .agent_process import AgentProcess
from .ground import Ground
from .leaving_clients import put_in_two_goes
from .waiting import eventually

pytestmark = pytest.mark.xdist_group("crash-servers")

MIB = 1024 * 1024
ROUTES = ("/final", "/local", "/intermediate")


@pytest.mark.parametrize("server", ["postgres", "s3"])
def test_analyses_are_told_to_come_back_while_a_store_is_away(own_ground: Ground, server: str) -> None:
    agent, analysis = own_ground.running_agent(), own_ground.analysis()
    for route in ROUTES:
        assert agent.put(route, analysis, f"known-{route[1:]}", b"known").is_success
    store: Any = getattr(own_ground.parts, server)
    store.kill()
    try:
        with ThreadPoolExecutor(len(ROUTES)) as clients:
            answers = [clients.submit(agent.put, route, analysis, "refused", b"refused") for route in ROUTES]
            for _ in range(20):
                _assert_alive(agent)
        for answer in answers:
            _assert_told_to_come_back(answer.result())
        missing = agent.http.get("/readyz").json()["missing"]
        assert missing.keys() == {"database" if server == "postgres" else "object_store"}
    finally:
        store.start()
    eventually(lambda: _assert_ready(agent))
    for route in ROUTES:
        assert agent.put(route, analysis, f"new-{route[1:]}", b"new").is_success
    own_ground.await_rest()


@pytest.mark.parametrize("server", ["postgres", "s3"])
def test_store_that_goes_away_during_requests_leaves_nothing_of_them(own_ground: Ground, server: str) -> None:
    agent, analysis = own_ground.running_agent(), own_ground.analysis()
    store: Any = getattr(own_ground.parts, server)
    all_begun = Barrier(len(ROUTES), action=store.kill)

    def wait_for_the_others() -> None:
        eventually(lambda: _assert_begun(own_ground, len(ROUTES)))
        all_begun.wait(timeout=30)

    def put(route: str) -> httpx.Response | None:
        try:
            return put_in_two_goes(
                agent, route, analysis, size=20 * MIB, before=17 * MIB, between=wait_for_the_others
            )
        except httpx.WriteError:
            return None  # the answer came, and the connection was closed, before everything was sent

    try:
        with ThreadPoolExecutor(len(ROUTES)) as clients:
            for answer in clients.map(put, ROUTES):
                if answer is not None:
                    _assert_told_to_come_back(answer)
    finally:
        store.start()
    # The same agent goes on: there is nobody else to sweep behind it.
    own_ground.await_rest()
    assert own_ground.held().objects == set()
    assert own_ground.rows_of(analysis) == []


def test_result_is_delivered_after_s3_was_away_for_a_while(own_ground: Ground) -> None:
    agent, analysis = own_ground.running_agent(), own_ground.analysis()
    own_ground.hub.fault(match=analysis.upload_to("RESULT"), status=503)
    content = bytes(3 * MIB)
    upload = agent.accept(analysis, "model.pkl", content)
    own_ground.parts.s3.kill()
    own_ground.hub.clear_faults()

    def failed_to_read() -> None:
        assert "ObjectStoreUnavailable" in str(own_ground.rows_of(analysis)[0]["last_error"])

    try:
        eventually(failed_to_read)
    finally:
        own_ground.parts.s3.start()
    own_ground.await_final(agent, {upload: content}, analysis)
    own_ground.await_rest()


def test_s3_that_hangs_for_a_while_costs_no_large_result(own_ground: Ground) -> None:
    """Longer than the agent waits for an answer, shorter than it tries."""
    agent, analysis = own_ground.running_agent(), own_ground.analysis()
    s3: Any = own_ground.parts.s3
    content = bytes(20 * MIB)

    def hang() -> None:
        eventually(lambda: _assert_begun(own_ground, 1))
        os.kill(s3.child.pid, signal.SIGSTOP)

    with ThreadPoolExecutor(1) as client:
        answer = client.submit(
            put_in_two_goes, agent, "/final", analysis, size=len(content), before=17 * MIB, between=hang
        )
        time.sleep(5)  # the length of the hang; the agent waits for 3 s
        os.kill(s3.child.pid, signal.SIGCONT)
        upload = answer.result()
    assert upload.status_code == 204, upload.text
    own_ground.await_rest()
    assert [row["state"] for row in own_ground.rows_of(analysis)] == ["delivered"]


def test_agent_ends_in_time_while_the_database_is_away(own_ground: Ground) -> None:
    # Neither the hub nor a lost lease ends the upload before the agent does.
    patience = {"HTTP__READ_TIMEOUT_SECONDS": "20", "OUTBOX__LEASE_SECONDS": "8"}
    agent, analysis = own_ground.running_agent(**patience), own_ground.analysis()
    own_ground.hub.fault(match=analysis.upload_to("RESULT"), latency=20)
    upload = agent.accept(analysis, "model.pkl", b"being sent")
    eventually(lambda: _assert_hit(own_ground))
    own_ground.parts.postgres.kill()
    try:
        assert agent.stop(seconds=6.5) == 0, agent.log
    finally:
        own_ground.parts.postgres.start()
    own_ground.hub.clear_faults()
    agent.start()
    own_ground.await_final(agent, {upload: b"being sent"}, analysis)
    own_ground.await_rest()


def _assert_hit(ground: Ground) -> None:
    assert any(fault["hits"] for fault in ground.hub.admin.get("/faults").json())


def _assert_begun(ground: Ground, uploads: int) -> None:
    assert len(ground.held().unfinished) == uploads


def _assert_alive(agent: AgentProcess) -> None:
    began = time.monotonic()
    with httpx.Client(base_url=agent.url, trust_env=False) as client:
        assert client.get("/healthz").status_code == 200
    assert time.monotonic() - began < 1


def _assert_ready(agent: AgentProcess) -> None:
    answer = agent.http.get("/readyz")
    assert answer.status_code == 200, answer.text


def _assert_told_to_come_back(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) >= 1
