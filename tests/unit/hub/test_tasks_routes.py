"""Both generations of the hub's routes, and how the node finds out which one its hub speaks."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
import respx
from structlog.testing import capture_logs

from flame_node_agent.errors import HubRefused, HubUnexpected
from flame_node_agent.wire.tasks import Accepted, RefusedForGood
from tests.unit.hub.flip_hub import NO_ROUTE, PAGE, answers, opened

NAMED = {"TRUST_NAME": "Trust 1"}
UNKNOWN_TASK = {"detail": "Task not found"}


@pytest.fixture(autouse=True)
def _played_hub() -> Iterator[None]:
    with respx.mock:
        yield


async def test_an_older_hub_is_found_out_at_the_first_question() -> None:
    current = answers("GET", "tasks/pending", status_code=404, json=NO_ROUTE)
    named = answers("GET", "tasks/Trust%201/pending", json=[])
    beat = answers("POST", "trust/Trust%201/heartbeat", json={"message": "Heartbeat recorded"})
    with capture_logs() as logs:
        async with opened(**NAMED) as hub:
            await hub.pending()
            await hub.pending()
            assert (await hub.heartbeat(None)).recorded
    assert (current.call_count, named.call_count, beat.call_count) == (1, 2, 1)
    assert [(entry["event"], entry["routes"]) for entry in logs] == [("hub.routes_changed", "named")]


async def test_an_older_hub_is_found_out_by_the_first_heartbeat() -> None:
    answers("POST", "trust/heartbeat", status_code=405, json={"detail": "Method Not Allowed"})
    answers("POST", "trust/Trust%201/heartbeat", json={"message": "Heartbeat recorded"})
    async with opened(**NAMED) as hub:
        assert (await hub.heartbeat(None)).recorded


async def test_a_report_that_comes_before_any_question_finds_its_route() -> None:
    task = uuid4()
    answers("POST", f"tasks/{task}/result", status_code=404, json=NO_ROUTE)
    answers("POST", f"tasks/Trust%201/{task}/result", json={"message": "recorded"})
    async with opened(**NAMED) as hub:
        assert await hub.report(task, True, None) == Accepted()


async def test_an_unknown_task_is_no_missing_route() -> None:
    task = uuid4()
    answers("POST", f"tasks/{task}/result", status_code=404, json=UNKNOWN_TASK)
    async with opened(**NAMED) as hub:
        assert await hub.report(task, True, None) == RefusedForGood(404, "Task not found")


async def test_a_hub_that_was_upgraded_is_followed() -> None:
    current = answers("GET", "tasks/pending", status_code=404, json=NO_ROUTE)
    named = answers("GET", "tasks/Trust%201/pending", json=[])
    async with opened(**NAMED) as hub:
        await hub.pending()
        current.respond(json={"tasks": []})
        named.respond(status_code=404, json=NO_ROUTE)
        await hub.pending()
        await hub.pending()
    assert (current.call_count, named.call_count) == (3, 2)


async def test_a_hub_that_is_a_web_page_for_a_while_changes_nothing() -> None:
    current = answers("GET", "tasks/pending", status_code=404, html=PAGE)
    answers("GET", "tasks/Trust%201/pending", status_code=404, html=PAGE)
    async with opened(**NAMED) as hub:
        with pytest.raises(HubUnexpected):
            await hub.pending()
        current.respond(json=[])
        await hub.pending()


async def test_without_a_name_the_hint_is_logged_once() -> None:
    answers("GET", "tasks/pending", status_code=404, json=NO_ROUTE)
    with capture_logs() as logs:
        async with opened() as hub:
            for _ in range(3):
                with pytest.raises(HubUnexpected):
                    await hub.pending()
    assert [entry["event"] for entry in logs] == ["hub.routes_missing"]
    assert "TRUST_NAME" in logs[0]["hint"]


async def test_routes_that_are_set_are_not_changed() -> None:
    route = answers("GET", "tasks/pending", status_code=404, json=NO_ROUTE)
    async with opened(**NAMED, HUB_TASK_ROUTES="current") as hub:
        with pytest.raises(HubUnexpected):
            await hub.pending()
    assert route.call_count == len(respx.calls) == 1


async def test_named_routes_that_are_set_are_used_from_the_first_moment() -> None:
    answers("GET", "tasks/Trust%201/pending", json=[])
    async with opened(**NAMED, HUB_TASK_ROUTES="named") as hub:
        await hub.pending()


async def test_an_older_hub_that_does_not_know_the_trust_says_so() -> None:
    answers("GET", "tasks/Trust%201/pending", status_code=404, json={"detail": "Trust 'Trust 1' not found"})
    async with opened(**NAMED, HUB_TASK_ROUTES="named") as hub:
        with pytest.raises(HubRefused, match="not found"):
            await hub.pending()


async def test_aggregates_have_the_same_route_at_every_hub() -> None:
    answers("POST", "cohort/results", json={"message": "ok"})
    async with opened(**NAMED, HUB_TASK_ROUTES="named") as hub:
        assert await hub.cohort_results({}) == Accepted()
