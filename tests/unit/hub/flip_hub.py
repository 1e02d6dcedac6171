"""A hub of FLIP's, played by respx, and the node's way to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import respx

from flame_node_agent.config.agent_settings import load_agent
from flame_node_agent.config.task_side import TaskSettings
from flame_node_agent.hub.tasks import TaskHub
from flame_node_agent.hub.transport import Transport
from tests.unit.settings_samples import TASKS

API = "https://hub.example/api"
KEY = TASKS["TRUST_API_KEY"]
IDENTITY = {"trust_id": "3f2b6c1e-8a43-4f0a-9d5c-6a1c1a2b3c4d", "trust_name": "Trust_1"}
NO_ROUTE = {"detail": "Not Found"}
PAGE = "<!doctype html><title>FLIP</title>"


def task_settings(**variables: str) -> TaskSettings:
    settings = load_agent(TASKS | variables, env_file=None).tasks
    assert settings is not None
    return settings


@asynccontextmanager
async def opened(**variables: str) -> AsyncIterator[TaskHub]:
    settings = task_settings(**variables)
    transport = Transport(settings)
    try:
        yield TaskHub(settings, transport)
    finally:
        await transport.aclose()


def element(**fields: Any) -> dict[str, Any]:
    """A task as it stands in the hub's answer."""
    known = {
        "id": str(uuid4()),
        "task_type": "cohort_query",
        "payload": "sealed",
        "created_at": "2026-11-22T00:00:00",
    }
    return known | fields


def answers(method: str, path: str, *responses: Any, **one: Any) -> respx.Route:
    """Let the hub answer a path (below /api)."""
    route = respx.route(method=method, url=f"{API}/{path}")
    return route.mock(side_effect=list(responses)) if responses else route.respond(**one)
