"""A hub that answers what it should not: what the analysis is told, and that nothing is lost by it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from flame_node_agent.devstack.ports import LOOPBACK, free_ports
from flame_node_agent.devstack.serving import ServerThread
from flame_node_agent.devstack.testing import RunningHub
from tests.acceptance.conftest import Analysis, NewAgent
from tests.acceptance.hub_accounts import Login
from tests.acceptance.hub_user import HubUser
from tests.acceptance.running_agents import RunningAgent


@contextmanager
def storage_that_keeps(files: int) -> Iterator[str]:
    """A storage service that has no file, and says of each upload that it has kept so many."""
    app = FastAPI(openapi_url=None)

    @app.post("/buckets/{bucket}/upload")
    async def upload(bucket: str, request: Request) -> JSONResponse:
        await request.body()
        return JSONResponse({"data": [{"id": bucket}] * files, "meta": {"total": files}}, status_code=201)

    @app.get("/bucket-files")
    async def listing() -> dict[str, object]:
        return {"data": [], "meta": {"total": 0, "limit": 50, "offset": 0}}

    port = free_ports(1)[0]
    server = ServerThread(app, port=port)
    server.start()
    yield f"http://{LOOPBACK}:{port}"
    server.stop()


@pytest.mark.parametrize("files", [0, 2])
def test_storage_that_keeps_no_single_file_is_told(
    new_agent: NewAgent, login: Login, analysis: Analysis, files: int
) -> None:
    """A 502 with the number to who waits, once the hub has had its repetitions; a final result is kept and tried on."""
    with storage_that_keeps(files) as storage:
        agent = new_agent(
            login,
            HUB__STORAGE_BASE_URL=storage,
            RESULTS__INTERMEDIATE_DEADLINE_SECONDS="3",
            HTTP__READ_TIMEOUT_SECONDS="2",
            OUTBOX__BACKOFF_CAP_SECONDS="1",
        ).start()
        answer = agent.http.put("/intermediate", auth=analysis.auth, files={"file": b"content"})
        assert answer.status_code == 502
        assert answer.json() == {
            "detail": f"Expected single uploaded file to be returned by storage service, got {files}"
        }
        agent.await_emptied("outbox/")
        final = agent.http.put("/final", auth=analysis.auth, files={"file": b"content"})
        assert final.status_code == 204
        upload = agent.awaited(final, analysis.auth, lambda upload: upload["attempts"] >= 2)
        assert upload["state"] in {"waiting", "uploading"}
        assert upload["last_error"].endswith(f"returned by storage service, got {files}")
        agent.stop()


@pytest.mark.parametrize(
    ("fault", "status", "detail"),
    [
        ({"status": 500}, 502, "Hub returned an unexpected response (500)"),
        ({"status": 418}, 502, "Hub returned an unexpected response (418)"),
        ({"status": 200, "html": True}, 502, "Hub returned an unexpected response (unknown)"),
        ({"status": 404, "html": True}, 502, "Hub returned an unexpected response (unknown)"),
        ({"status": 503, "headers": {"Retry-After": "7"}}, 503, "The Hub is unavailable"),
        ({"status": 429, "headers": {"Retry-After": "7"}}, 503, "The Hub is unavailable"),
        ({"down": True}, 503, "The Hub is unavailable"),
        ({"latency": 5.0}, 503, "The Hub is unavailable"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_hub_that_answers_nothing_usable_is_told_with_the_status(
    any_agent: RunningAgent,
    analysis: Analysis,
    development_hub: RunningHub,
    fault: dict[str, object],
    status: int,
    detail: str,
) -> None:
    """Where the hub must be asked. A hub that says "later" is passed on as it says it."""
    development_hub.fault(match=f"GET /core/analyses/{analysis.id}", **fault)
    answer = any_agent.http.get("/local/tags", auth=analysis.auth)
    assert (answer.status_code, answer.json()) == (status, {"detail": detail})
    if status == 503:
        assert int(answer.headers["Retry-After"]) == (7 if "headers" in fault else 5)
    development_hub.clear_faults()
    assert any_agent.http.get("/local/tags", auth=analysis.auth).status_code == 200


def test_one_lost_answer_costs_no_result(
    agent: RunningAgent, analysis: Analysis, development_hub: RunningHub, hub_user: HubUser, file_name: str
) -> None:
    """The hub has kept the file and its answer is lost: the repetition finds it, and it is there once."""
    content = os.urandom(50_000)
    development_hub.fault(match="POST /storage/buckets/*", count=1, lose_reply=True)
    answer = agent.http.put("/final", auth=analysis.auth, files={"file": (file_name, content)})
    upload = agent.delivered(answer, analysis.auth)
    assert upload["attempts"] == 2
    assert hub_user.content_of(hub_user.newest_result(analysis.id)) == content
    held = [found for found in development_hub.uploads() if found["analysis_id"] == str(analysis.id)]
    assert [(found["path"], found["linked"]) for found in held] == [(file_name, True)]


def test_second_result_of_the_same_name_is_kept_beside_the_first(
    agent: RunningAgent, analysis: Analysis, development_hub: RunningHub, file_name: str
) -> None:
    """Hubs keep names unique: another content gets a suffix, so nothing is overwritten or stuck."""
    for content in (b"first", b"second"):
        answer = agent.http.put("/final", auth=analysis.auth, files={"file": (file_name, content)})
        agent.delivered(answer, analysis.auth)
    held = [found for found in development_hub.uploads() if found["analysis_id"] == str(analysis.id)]
    assert {found["size"] for found in held} == {5, 6}
    assert len({found["path"] for found in held}) == 2
    assert file_name in {found["path"] for found in held}


def test_token_that_the_hub_no_longer_accepts_is_replaced(
    agent: RunningAgent, analysis: Analysis, development_hub: RunningHub
) -> None:
    """One 401 leads to a fresh token, not to a failure."""
    development_hub.fault(match=f"GET /core/analyses/{analysis.id}", count=1, status=401)
    assert agent.http.get("/local/tags", auth=analysis.auth).status_code == 200
