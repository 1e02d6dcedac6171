"""Agents that do a hub's tasks, as tests look at them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from flame_node_agent.devstack.agent_server import AgentServer
from flame_node_agent.devstack.running_hub import RunningHub
from flame_node_agent.devstack.testing import LazyParts

PATIENCE_SECONDS = 60.0
CLOSED = {"COMPLETED", "FAILED"}
IMPATIENT = {
    "POLL_INTERVAL_SECONDS": "0.2",
    "HEARTBEAT_INTERVAL_SECONDS": "0.5",
    "HEALTH_COLLECT_INTERVAL_SECONDS": "0.5",
    "LOG__LEVEL": "DEBUG",
}


@dataclass
class Trust:
    """A hub, and an agent that does its tasks."""

    hub: RunningHub
    agent: AgentServer

    def closed(self, task_id: str) -> dict[str, Any]:
        """Wait until a task is closed at the hub."""
        return awaited(lambda: task if (task := self.hub.tasks()[task_id])["status"] in CLOSED else None)

    def done(self, task_type: str, **payload: object) -> dict[str, Any]:
        """Let the hub have a task, and wait until it is closed there."""
        return self.closed(self.hub.order_task(task_type, **payload))

    def ask(self, query: str, query_id: str) -> str:
        """Let the hub have a cohort query; the id of its task."""
        return self.hub.order_task(
            "cohort_query", query=query, query_name="cohort", query_id=query_id, project_id=str(uuid4())
        )

    def asked(self, query: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Ask for a cohort: the closed task, and what the hub knows of the query then."""
        query_id = str(uuid4())
        task = self.closed(self.ask(query, query_id))
        known = self.hub.cohort(query_id)
        assert known is not None
        return task, known

    def health(self) -> dict[str, Any]:
        """GET /health of the agent."""
        return dict(httpx.get(f"{self.agent.url}/health", trust_env=False, timeout=30).json())

    def metric(self, sample: str) -> float:
        """One sample of GET /metrics; 0 while it is not there."""
        text = httpx.get(f"{self.agent.url}/metrics", trust_env=False, timeout=30).text
        return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(sample)), 0.0)

    def log(self) -> str:
        """All that the agent has logged."""
        return (self.agent.directory / "agent.log").read_text("utf-8", "replace")


def awaited[T](look: Callable[[], T | None]) -> T:
    """Look until there is something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := look()) is None:
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return found


def agent_for(
    parts: LazyParts, directory: Path, hub: RunningHub, data_access_url: str, **overrides: str
) -> AgentServer:
    """An agent with the task side alone, that was not started yet."""
    environment = parts.agent_environment(
        hub, sides="tasks", data_access_url=data_access_url, **{**IMPATIENT, **overrides}
    )
    ports = tuple(int(port) for port in environment["LISTEN__PORTS"].split(","))
    agent = AgentServer(directory, env_file=directory / "agent.env", ports=ports)
    agent.write_settings(environment)
    return agent


@contextmanager
def serving_trust(
    parts: LazyParts, directory: Path, hub: RunningHub, data_access_url: str, **overrides: str
) -> Iterator[Trust]:
    """A running agent for ``hub``, stopped in order afterwards."""
    agent = agent_for(parts, directory, hub, data_access_url, **overrides)
    agent.start(wait_for_parts=False)
    try:
        yield Trust(hub, agent)
    finally:
        agent.stop()
