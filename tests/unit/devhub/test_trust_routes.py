"""The development hub's routes for trusts: two generations of them, and how often they may be called."""

from __future__ import annotations

import uuid

import pytest

from flame_node_agent.devstack.hub.rate_limits import LIMITS, RateLimits
from tests.unit.devhub.conftest import OpenHub
from tests.unit.devhub.trust import COHORT, QUERY_ID, TRUST_ID, TRUST_NAME, TrustCalls


async def test_hub_of_the_time_of_named_routes(open_hub: OpenHub) -> None:
    calls = await open_hub(routes="named")
    task_id = await calls.order("cohort_query", **COHORT)
    listed = (await calls.get(f"/api/tasks/{TRUST_NAME}/pending")).json()
    assert [task["id"] for task in listed] == [task_id]
    answer = await calls.post(f"/api/tasks/{TRUST_NAME}/{task_id}/result", {"success": True, "result": None})
    assert answer.json() == {"message": f"Task {task_id} result recorded"}
    assert (await calls.post(f"/api/trust/{TRUST_NAME}/heartbeat")).json() == {
        "message": "Heartbeat recorded"
    }
    report = {
        "query_id": QUERY_ID,
        "trust_id": TRUST_ID,
        "created": "2026-01-01",
        "record_count": 0,
        "data": [],
    }
    assert (await calls.post("/api/cohort/results", report)).status_code == 200
    unknown = await calls.post(f"/api/tasks/{TRUST_NAME}/{uuid.uuid4()}/result", {"success": True})
    assert unknown.status_code == 404


@pytest.mark.parametrize("path", ["/api/tasks/South/pending", "/api/trust/South/heartbeat"])
async def test_nobody_acts_in_another_trusts_name(open_hub: OpenHub, path: str) -> None:
    calls = await open_hub(routes="named")
    answer = await (calls.get(path) if path.endswith("pending") else calls.post(path))
    detail = "Trust 'North' is not authorised to act as 'South'"
    assert (answer.status_code, answer.json()) == (403, {"detail": detail})


@pytest.mark.parametrize(
    ("routes", "paths"),
    [
        ("named", ("/api/tasks/pending", "/api/trust/heartbeat")),
        ("current", (f"/api/tasks/{TRUST_NAME}/pending", f"/api/trust/{TRUST_NAME}/heartbeat")),
    ],
)
async def test_routes_of_the_other_generation_are_not_there(
    open_hub: OpenHub, routes: str, paths: tuple[str, str]
) -> None:
    calls = await open_hub(routes=routes)
    for answer in (await calls.get(paths[0]), await calls.post(paths[1])):
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


@pytest.mark.parametrize("kind", LIMITS)
async def test_too_many_calls_in_a_minute_are_a_429_where_limits_are_on(open_hub: OpenHub, kind: str) -> None:
    calls = await open_hub(rate_limits=True)

    async def call() -> int:
        match kind:
            case "pending":
                answer = await calls.get("/api/tasks/pending")
            case "result":
                answer = await calls.report(str(uuid.uuid4()))
            case _:
                answer = await calls.post("/api/trust/heartbeat")
        if answer.status_code == 429:
            assert answer.json() == {"detail": "Rate limit exceeded. Try again later."}
        return answer.status_code

    statuses = [await call() for _ in range(LIMITS[kind] + 2)]
    assert [status == 429 for status in statuses] == [False] * LIMITS[kind] + [True, True]


async def test_calls_are_not_limited_as_a_rule(calls: TrustCalls) -> None:
    assert {(await calls.get("/api/tasks/pending")).status_code for _ in range(40)} == {200}


def test_rate_window_slides() -> None:
    now = 0.0
    limits = RateLimits(on=True, clock=lambda: now)
    for second in range(30):
        now = float(second)
        limits.count("pending", "a")
    limits.count("pending", "b")
    with pytest.raises(Exception, match="429"):
        limits.count("pending", "a")
    now = 60.5
    limits.count("pending", "a")
    with pytest.raises(Exception, match="429"):
        limits.count("pending", "a")
