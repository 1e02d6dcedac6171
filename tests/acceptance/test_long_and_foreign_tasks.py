"""Tasks that take long, and a hub that takes this node for another trust."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from flame_node_agent.devstack.testing import NOBODY_THERE, LazyParts
from tests.acceptance.hub_agents import PATIENCE_SECONDS, agent_for, awaited, serving_trust

HEARTBEATS = 'flame_node_heartbeats_total{outcome="ok"}'


@pytest.fixture
def silent_service() -> Iterator[socket.socket]:
    """Takes connections and never answers, as a database that computes for minutes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE_SECONDS)
        yield listening


def test_heartbeats_go_on_while_a_query_runs(
    parts: LazyParts, tmp_path: Path, silent_service: socket.socket
) -> None:
    hub = parts.hub(fresh=True)
    url = f"http://127.0.0.1:{silent_service.getsockname()[1]}"
    with serving_trust(parts, tmp_path, hub, url) as trust:
        task_id = trust.ask("SELECT person_id FROM omop.person", str(uuid4()))
        # The health collector comes by as well.
        connection = awaited(lambda: _with_query(silent_service))
        with connection:
            before = trust.metric(HEARTBEATS)
            awaited(lambda: True if trust.metric(HEARTBEATS) >= before + 6 else None)
            assert hub.tasks()[task_id]["status"] == "IN_PROGRESS"
            assert trust.health()["dead_tasks"] == []


def test_query_whose_time_is_up_is_reported_and_its_connection_closed(
    parts: LazyParts, tmp_path: Path, silent_service: socket.socket
) -> None:
    hub = parts.hub(fresh=True)
    url = f"http://127.0.0.1:{silent_service.getsockname()[1]}"
    with serving_trust(parts, tmp_path, hub, url, COHORT_QUERY_TIMEOUT_SECONDS="1") as trust:
        query_id = str(uuid4())
        task_id = trust.ask("SELECT person_id FROM omop.person", query_id)
        with awaited(lambda: _with_query(silent_service)) as connection:
            while connection.recv(65_536):
                pass
        task = trust.closed(task_id)
        assert (task["status"], json.loads(task["result"])) == ("FAILED", {"error": "504: query_timeout"})
        known = hub.cohort(query_id)
        assert known is not None
        assert set(known["trust_errors"].values()) == {"query_timeout"}


def _with_query(listening: socket.socket) -> socket.socket | None:
    """The next connection, if it brings a cohort query."""
    connection, _ = listening.accept()
    connection.settimeout(PATIENCE_SECONDS)
    if connection.recv(65_536).startswith(b"POST /cohort "):
        return connection
    connection.close()
    return None


def test_agent_that_is_taken_for_another_trust_ends_with_exit_code_2(
    parts: LazyParts, tmp_path: Path
) -> None:
    hub = parts.hub(fresh=True)
    task_id = hub.order_task("update_user_profile", email="a@b.example", enabled=True)
    agent = agent_for(parts, tmp_path, hub, NOBODY_THERE, EXPECTED_TRUST_ID=str(uuid4()))
    ended = subprocess.run(
        agent.command, cwd=tmp_path, timeout=PATIENCE_SECONDS, capture_output=True, check=False
    )
    assert ended.returncode == 2
    assert b"identity.mismatch" in ended.stderr
    assert hub.tasks()[task_id]["status"] != "FAILED"
