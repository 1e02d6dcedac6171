"""``GET /health`` as FLIP's trust-api answers it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from flame_node_agent.agent.health_route import health_router
from flame_node_agent.agent.hub_status import HubStatus
from flame_node_agent.agent.liveness import Liveness
from flame_node_agent.wire.health import NodeHealth
from tests.unit.reference_pages import assert_prose, assert_same, page, rows, sections

PATHS = ("/health", "/health/")


@pytest.fixture
def liveness() -> Liveness:
    return Liveness()


@pytest.fixture
def status() -> HubStatus:
    return HubStatus({"630dcd2966c4"})


@pytest.fixture
async def client(liveness: Liveness, status: HubStatus) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI(redirect_slashes=False)
    app.include_router(health_router(liveness, status, "1.2.3"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent") as opened:
        yield opened


@pytest.mark.parametrize("path", PATHS)
async def test_health_is_told_without_a_token(client, path) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "version": "1.2.3",
        "dead_tasks": [],
        "hub_version": None,
        "hub_key_match": None,
        "hub_key_fingerprint": None,
    }


async def test_what_is_known_of_the_hub_is_told(client, status) -> None:
    status.record("2.0", "630dcd2966c4")
    told = (await client.get("/health")).json()
    assert (told["hub_version"], told["hub_key_match"]) == ("2.0", True)
    assert told["hub_key_fingerprint"] == "630dcd2966c4"


async def test_dead_loops_make_it_degraded_with_200(client, liveness) -> None:
    liveness.watch("task_poller", lambda: False)
    liveness.watch("health_collector", lambda: False)
    liveness.watch("reporter", lambda: True)
    answer = await client.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert answer.json()["dead_tasks"] == ["health_collector", "task_poller"]


async def test_loop_is_dead_when_it_has_returned_or_raised_but_not_when_it_was_cancelled(liveness) -> None:
    async def returns() -> None:
        return

    async def raises() -> None:
        raise RuntimeError("a defect")

    async def runs() -> None:
        await asyncio.Event().wait()

    tasks = {each.__name__: asyncio.create_task(each()) for each in (returns, raises, runs)}
    for name, task in tasks.items():
        liveness.watch_task(name, task)
    await asyncio.wait({tasks["returns"], tasks["raises"]})
    assert liveness.dead() == ["raises", "returns"]
    tasks["runs"].cancel()
    await asyncio.wait({tasks["runs"]})
    assert liveness.dead() == ["raises", "returns"]
    assert isinstance(tasks["raises"].exception(), RuntimeError)


def test_answer_is_documented_field_by_field() -> None:
    told = rows(sections(page("http.md"), "###")["GET /health"].partition("\n## ")[0])
    assert_same(set(told), set(NodeHealth.model_fields), "http.md, GET /health")
    for (meaning,) in told.values():
        assert_prose(meaning)
