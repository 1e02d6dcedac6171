"""A development hub as tests see it."""

from __future__ import annotations

import uuid
from typing import Any

import httpx

from flame_node_agent.devstack.hub_server import HubServer, HubUrls, Profile
from flame_node_agent.devstack.seed import HubSeed, SeededAnalysis


class RunningHub:
    """A development hub under test: its addresses, what it was seeded with, and its admin API."""

    def __init__(self, server: HubServer, seed: HubSeed) -> None:
        self.server = server
        self.seed = seed
        self.admin = httpx.Client(base_url=server.urls.admin, trust_env=False, timeout=10)

    @property
    def urls(self) -> HubUrls:
        return self.server.urls

    @property
    def profile(self) -> Profile:
        return self.server.profile

    @property
    def pid(self) -> int:
        return self.server.child.pid

    def kill(self) -> None:
        """Take the hub away; every connection breaks."""
        self.server.kill()

    def restart(self) -> None:
        """Bring it back with all it knew, on the same address."""
        if self.server.child.alive:
            self.server.stop()
        self.server.start()

    def uploads(self) -> list[dict[str, Any]]:
        """The files the hub holds: bucket, analysis_id, kind, path, size, sha256, linked (its admin API)."""
        answer = self.admin.get("/uploads").raise_for_status().json()
        return list(answer)

    def order_task(self, task_type: str, **payload: object) -> str:
        """Let the hub have a task for the trust; its id. The hub adds the trust's id and the envelopes."""
        order = {"task_type": task_type, "payload": payload}
        return str(self.admin.post("/tasks", json=order).raise_for_status().json()["id"])

    def tasks(self, limit: int = 1_000) -> dict[str, dict[str, Any]]:
        """The newest tasks by id: task_type, status, result, retry_count, created_at, updated_at (its admin API)."""
        answer = self.admin.get("/tasks", params={"limit": limit}).raise_for_status().json()
        return {task["id"]: task for task in answer}

    def cohort(self, query_id: uuid.UUID | str) -> dict[str, Any] | None:
        """What all trusts have answered to a query; None while none has."""
        answer = self.admin.get(f"/cohort/{query_id}").raise_for_status()
        return None if answer.status_code == httpx.codes.ACCEPTED else dict(answer.json())

    def new_analysis(self, project_id: uuid.UUID | None = None) -> SeededAnalysis:
        """One more analysis with its buckets, in ``project_id`` or in a new project."""
        wish = {} if project_id is None else {"project_id": str(project_id)}
        made = self.admin.post("/analyses", json=wish).raise_for_status().json()
        return SeededAnalysis(uuid.UUID(made["analysis_id"]), uuid.UUID(made["project_id"]))

    def fault(self, **fault: object) -> None:
        """Make the hub misbehave; the fields are those of ``POST /faults`` in its admin API."""
        self.admin.post("/faults", json=fault).raise_for_status()

    def clear_faults(self) -> None:
        """Let the hub behave again."""
        self.admin.delete("/faults").raise_for_status()

    def close(self) -> None:
        self.admin.close()
        self.server.stop()
