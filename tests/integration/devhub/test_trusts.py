"""FLIP's side of the development hub as a process: faults, restarts, and many tasks in a row."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.integration.devhub.running import SEED, RunningHub

KEY = {"Authorization": SEED["trust"]["api_key"]}


def _order(hub: RunningHub, number: int = 0) -> str:
    order: dict[str, Any] = {"task_type": "update_user_profile", "payload": {"number": number}}
    return str(hub.http.post("/admin/tasks", json=order).raise_for_status().json()["id"])


def _poll(hub: RunningHub) -> list[str]:
    answer = hub.http.get("/api/tasks/pending", headers=KEY).raise_for_status().json()
    return [task["id"] for task in answer["tasks"]]


def test_fault_on_these_routes_speaks_as_they_do(hub_0_13: RunningHub) -> None:
    fault = {"match": "/api/tasks/pending", "status": 503, "headers": {"Retry-After": "7"}, "count": 1}
    hub_0_13.http.post("/admin/faults", json=fault).raise_for_status()
    answer = hub_0_13.http.get("/api/tasks/pending", headers=KEY)
    assert (answer.status_code, answer.json()) == (503, {"detail": "A fault was ordered."})
    assert answer.headers["retry-after"] == "7"


def test_tasks_of_a_lost_reply_are_in_progress_all_the_same(fresh_hub: Callable[..., RunningHub]) -> None:
    hub = fresh_hub("0.13")
    task_id = _order(hub)
    hub.http.post("/admin/faults", json={"match": "/api/tasks/pending", "lose_reply": True, "count": 1})
    with pytest.raises(httpx.TransportError):
        _poll(hub)
    assert _poll(hub) == []
    assert hub.http.get("/admin/tasks").json()[0]["status"] == "IN_PROGRESS"
    assert hub.http.get("/admin/tasks").json()[0]["id"] == task_id


def test_tasks_and_results_survive_a_kill(fresh_hub: Callable[..., RunningHub]) -> None:
    hub = fresh_hub("0.13")
    first, second = _order(hub, 1), _order(hub, 2)
    assert _poll(hub) == [first, second]
    hub.http.post(f"/api/tasks/{first}/result", json={"success": True}, headers=KEY).raise_for_status()
    hub.stop(signal.SIGKILL)
    hub.start()
    statuses = {task["id"]: task["status"] for task in hub.http.get("/admin/tasks").json()}
    assert statuses == {first: "COMPLETED", second: "IN_PROGRESS"}
    third = _order(hub, 3)
    assert _poll(hub) == [third]


def test_options_reach_the_running_hub(fresh_hub: Callable[..., RunningHub]) -> None:
    hub = fresh_hub("0.13", "--task-routes", "named", "--hub-rate-limits", "--trust-api-key-header", "X-Key")
    key = {"X-Key": KEY["Authorization"]}
    statuses = [hub.http.get("/api/tasks/North/pending", headers=key).status_code for _ in range(31)]
    assert statuses == [200] * 30 + [429]


def test_stale_task_is_handed_out_again(fresh_hub: Callable[..., RunningHub]) -> None:
    hub = fresh_hub("0.13", "--stale-seconds", "0.1", "--stale-scan-seconds", "0.05", "--max-retries", "1")
    task_id = _order(hub)
    handed: list[str] = []
    deadline = time.monotonic() + 60
    while len(handed) < 2 and time.monotonic() < deadline:
        handed += _poll(hub)
    assert handed == [task_id, task_id]


def test_thousand_tasks_are_queued_and_handed_out_in_seconds(fresh_hub: Callable[..., RunningHub]) -> None:
    hub = fresh_hub("0.13")
    began = time.monotonic()
    ordered = [_order(hub, number) for number in range(1_000)]
    handed: list[str] = []
    while batch := _poll(hub):
        handed += batch
    assert handed == ordered
    assert time.monotonic() - began < 60  # a few seconds on an idle machine
