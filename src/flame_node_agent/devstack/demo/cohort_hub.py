"""The hub as a researcher uses it: ask a query, and see what the trust has let out."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Any

import httpx

from flame_node_agent.devstack.demo.analysis import Unexpected
from flame_node_agent.devstack.demo.cohort_queries import CohortQuestion, Fate
from flame_node_agent.devstack.hub_server import HubUrls

_ANSWER_SECONDS = 60.0
_LOOK_SECONDS = 0.1
_DONE = {"COMPLETED", "FAILED"}


@dataclass(frozen=True)
class HubAnswer:
    """All that the hub got for one query."""

    record_count: int
    suppressed: bool
    error: str | None
    groups: dict[str, dict[str, int]]
    task_status: str
    task_result: str | None

    @property
    def fate(self) -> Fate:
        if self.task_status == "FAILED" and self.error is not None:
            return Fate.REFUSED
        return Fate.SUPPRESSED if self.suppressed else Fate.ANSWERED

    @property
    def numbers(self) -> list[int]:
        """Every number in it."""
        return [self.record_count, *(count for group in self.groups.values() for count in group.values())]


class CohortHub:
    """Queues queries for the trust through the hub's admin API, and reads what came back."""

    def __init__(self, urls: HubUrls) -> None:
        self._http = httpx.Client(base_url=urls.admin, trust_env=False, timeout=10)

    def __enter__(self) -> CohortHub:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(self, question: CohortQuestion, project_id: uuid.UUID) -> HubAnswer:
        """Ask and wait; Unexpected if the hub hears nothing in time."""
        query_id = str(uuid.uuid4())
        payload = {
            "query": question.sql,
            "query_name": question.name,
            "query_id": query_id,
            "project_id": str(project_id),
        }
        order = {"task_type": "cohort_query", "payload": payload}
        task_id = self._http.post("/tasks", json=order).raise_for_status().json()["id"]
        task = self._await(task_id, question)
        answer = self._http.get(f"/cohort/{query_id}").raise_for_status()
        if answer.status_code != httpx.codes.OK:
            raise Unexpected(
                f"the task {question.name} is {task['status']}, but the hub got no numbers for it"
            )
        return _read(answer.json(), task)

    def _await(self, task_id: str, question: CohortQuestion) -> dict[str, Any]:
        deadline = time.monotonic() + _ANSWER_SECONDS
        while True:
            listed = self._http.get("/tasks").raise_for_status().json()
            task: dict[str, Any] = next(task for task in listed if task["id"] == task_id)
            if task["status"] in _DONE:
                return task
            if time.monotonic() > deadline:
                raise Unexpected(f"the query {question.name} is still {task['status']} at the hub")
            time.sleep(_LOOK_SECONDS)


def _read(found: dict[str, Any], task: dict[str, Any]) -> HubAnswer:
    groups = {
        group["name"]: {bucket["value"]: bucket["count"] for bucket in group["results"][0]["data"]}
        for group in found["trusts_results"]
    }
    return HubAnswer(
        record_count=found["record_count"],
        suppressed=bool(found["trust_suppressed"]),
        error=next(iter(found["trust_errors"].values()), None),
        groups=groups,
        task_status=task["status"],
        task_result=task["result"],
    )
