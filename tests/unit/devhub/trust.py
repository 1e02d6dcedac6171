"""A trust that calls the hub in the test's own process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

import httpx

from flame_node_agent.devstack.hub.app import create_app
from flame_node_agent.devstack.hub.state import Hub

TRUST_ID = "e0000000-0000-4000-8000-000000000001"
TRUST_NAME = "North"
KEY = "the-key-of-north"
AES_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
SEED: dict[str, Any] = {
    "robot": {"id": "a0000000-0000-4000-8000-000000000001", "secret": "r"},
    "client": {"id": "a0000000-0000-4000-8000-000000000002", "secret": "c"},
    "user": {"username": "u", "password": "p"},
    "trust": {"id": TRUST_ID, "name": TRUST_NAME, "code": "NTH", "region": "north", "api_key": KEY},
    "aes_key_base64": AES_KEY,
}
OTHER = {"name": "South", "code": "STH", "region": "south"}
QUERY_ID = "f0000000-0000-4000-8000-000000000001"
COHORT = {"query": "SELECT 1", "query_name": "one", "query_id": QUERY_ID, "project_id": TRUST_ID}


@dataclass(frozen=True)
class TrustCalls:
    """The calls of one trust to an open hub."""

    hub: Hub
    http: httpx.AsyncClient
    headers: dict[str, str]
    trust_id: str = TRUST_ID

    @classmethod
    @asynccontextmanager
    async def to(cls, hub: Hub) -> AsyncIterator[Self]:
        transport = httpx.ASGITransport(create_app(hub), client=("127.0.0.1", 1), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://hub") as http:
            yield cls(hub, http, {"Authorization": KEY})

    async def get(self, path: str) -> httpx.Response:
        return await self.http.get(path, headers=self.headers)

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        return await self.http.post(path, json=body, headers=self.headers)

    async def order(self, task_type: str = "update_user_profile", **payload: Any) -> str:
        """Queue a task for the first trust; its id."""
        answer = await self.post("/admin/tasks", {"task_type": task_type, "payload": payload})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def poll(self) -> list[dict[str, Any]]:
        answer = await self.get("/api/tasks/pending")
        assert answer.status_code == 200, answer.text
        return list(answer.json()["tasks"])

    async def report(
        self, task_id: str, *, success: bool = True, result: str | None = None
    ) -> httpx.Response:
        return await self.post(f"/api/tasks/{task_id}/result", {"success": success, "result": result})

    async def task(self, task_id: str) -> dict[str, Any]:
        """How the admin API shows one task."""
        listed = (await self.get("/admin/tasks?limit=1000")).json()
        return next(task for task in listed if task["id"] == task_id)

    async def another_trust(self) -> TrustCalls:
        """Register a second trust; its calls."""
        made = (await self.post("/api/admin/trusts", OTHER)).json()
        return replace(self, headers={"Authorization": made["trust_api_key"]}, trust_id=made["id"])
