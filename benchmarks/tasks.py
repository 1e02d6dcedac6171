"""Tasks through the whole loop: created at the hub, fetched, run, reported."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from statistics import median, quantiles
from typing import Any

import httpx

from benchmarks.stack import Stack

INSTANT = "benchmark"
"""A type that no node knows: its outcome is there at once, and everything around it is as for any other."""
FINAL = frozenset({"COMPLETED", "FAILED"})
WAIT_SECONDS = 300.0


@dataclass(frozen=True)
class TaskRate:
    """Many tasks at once: how many, and how many a second were reported between the first and the last report."""

    tasks: int
    per_second: float


@dataclass(frozen=True)
class TaskLatency:
    """Single tasks of an idle node, from their creation at the hub to their result there; seconds."""

    tasks: int
    poll_interval: float
    p50: float
    p99: float


def task_rate(stack: Stack, tasks: int) -> TaskRate:
    """Put ``tasks`` tasks into the hub and watch them come back."""
    with _admin(stack) as admin:
        created = {_create(admin) for _ in range(tasks)}
        done = sorted(_time(task["updated_at"]) for task in _finished(admin, created))
    return TaskRate(tasks, (tasks - 1) / (done[-1] - done[0]))


def task_latency(
    stack: Stack, tasks: int, *, pause: float, poll_interval: float, say: Callable[[str], None]
) -> TaskLatency:
    """Put ``tasks`` tasks into the hub, one every ``pause`` seconds, which is no multiple of the poll interval."""
    created = set()
    with _admin(stack) as admin:
        for number in range(tasks):
            say(f"{number + 1} of {tasks}")
            created.add(_create(admin))
            time.sleep(pause)
        took = [_time(task["updated_at"]) - _time(task["created_at"]) for task in _finished(admin, created)]
    return TaskLatency(tasks, poll_interval, median(took), quantiles(took, n=100, method="inclusive")[98])


def _admin(stack: Stack) -> httpx.Client:
    return httpx.Client(base_url=stack.ready["hub"]["admin_url"], trust_env=False, timeout=60)


def _create(admin: httpx.Client) -> str:
    answer = admin.post("/tasks", json={"task_type": INSTANT, "payload": {}}).raise_for_status()
    return str(answer.json()["id"])


def _finished(admin: httpx.Client, ids: set[str]) -> list[dict[str, Any]]:
    """The tasks once the hub has the results of all; RuntimeError when that takes too long."""
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        listed = admin.get("/tasks", params={"limit": 100_000}).raise_for_status().json()
        tasks = [task for task in listed if task["id"] in ids]
        if len(tasks) == len(ids) and all(task["status"] in FINAL for task in tasks):
            return tasks
        time.sleep(1)
    raise RuntimeError("not all tasks were reported")


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
