"""A hub that takes this node for another trust, at once or later: the agent ends before it runs a task of others."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from flame_node_agent.devstack.hub.state import DATABASE_FILE
from flame_node_agent.devstack.running_hub import RunningHub
from flame_node_agent.devstack.testing import LazyParts
from tests.acceptance.hub_agents import PATIENCE_SECONDS, agent_for, awaited
from tests.acceptance.task_listening import Reply, Request
from tests.acceptance.task_services import StandIn
from tests.acceptance.task_witness import Witness, changed, watched_trust

MISTAKEN = 2
EMAIL = "a@hospital.example"


@pytest.fixture
def services() -> Iterator[StandIn]:
    with StandIn() as services:
        yield services


def test_task_of_another_trust_is_not_run(parts: LazyParts, tmp_path: Path, services: StandIn) -> None:
    """The tasks that came with the mistaken identity are left alone, and nothing is reported about them."""
    hub = parts.hub(fresh=True)
    hub.order_task("update_user_profile", email=EMAIL, enabled=True)
    with Witness(hub) as witness:
        agent = agent_for(
            parts,
            tmp_path,
            hub,
            services.url,
            IMAGING_API_URL=services.url,
            CENTRAL_HUB_API_URL=witness.url,
            EXPECTED_TRUST_ID=(expected := str(uuid4())),
        )
        ended = subprocess.run(
            agent.command, cwd=tmp_path, timeout=PATIENCE_SECONDS, capture_output=True, text=True, check=False
        )
        assert ended.returncode == MISTAKEN
        assert "identity.mismatch" in ended.stderr
        assert expected in ended.stderr
        assert str(hub.seed.trust.id) in ended.stderr
        assert services.calls == []
        assert witness.seen("POST", "/result") == []


def test_hub_that_changes_its_mind_ends_the_agent(
    parts: LazyParts, tmp_path: Path, services: StandIn
) -> None:
    """Long after the first answer; the task that comes with the other name is not run."""
    hub, other = parts.hub(fresh=True), str(uuid4())

    def renamed(request: Request, reply: Reply) -> Reply:
        if not request.path.endswith("/pending") or reply.status != 200:
            return reply
        return changed(reply, lambda content: content.update(trust_id=other, trust_name="Elsewhere"))

    with watched_trust(parts, tmp_path, hub, services.url, IMAGING_API_URL=services.url) as (trust, witness):
        assert trust.done("update_user_profile", email=EMAIL, enabled=True)["status"] == "COMPLETED"
        services.calls.clear()
        witness.after = renamed
        hub.order_task("update_user_profile", email=EMAIL, enabled=False)
        awaited(lambda: trust.agent.child.alive is False or None)
        assert trust.agent.child.exit_code == MISTAKEN
        assert other in trust.log()
        assert services.calls == []


def test_key_that_was_given_to_another_trust_ends_the_agent(
    parts: LazyParts, tmp_path: Path, services: StandIn
) -> None:
    """The hub comes back from a restart with this trust's key in another trust's row, and a task for that one."""
    hub = parts.hub(fresh=True)
    with watched_trust(parts, tmp_path, hub, services.url, IMAGING_API_URL=services.url) as (trust, _):
        assert trust.done("update_user_profile", email=EMAIL, enabled=True)["status"] == "COMPLETED"
        services.calls.clear()
        other = registered(hub)
        hub.server.stop()
        move_key(hub, to=other)
        hub.server.start()
        order = {"task_type": "update_user_profile", "payload": {"email": EMAIL, "enabled": False}}
        hub.admin.post("/tasks", json={**order, "trust_id": other}).raise_for_status()
        awaited(lambda: trust.agent.child.alive is False or None)
        assert trust.agent.child.exit_code == MISTAKEN
        assert services.calls == []


def registered(hub: RunningHub) -> str:
    """The id of one more trust at the hub."""
    wish = {"name": "Southgate Hospital", "code": "SGH", "region": "south"}
    made = hub.admin.post(f"{hub.urls.api}/admin/trusts", json=wish).raise_for_status().json()
    return str(made["id"])


def move_key(hub: RunningHub, *, to: str) -> None:
    """Let another trust have the key of the first, as a slip of the hub's operator would."""
    connection = sqlite3.connect(hub.server.directory / DATABASE_FILE)
    with connection:
        connection.execute(
            "CREATE TEMP TABLE moved AS SELECT api_key_hash FROM trusts WHERE id = ?",
            [str(hub.seed.trust.id)],
        )
        connection.execute("UPDATE trusts SET api_key_hash = 'none' WHERE id = ?", [str(hub.seed.trust.id)])
        connection.execute("UPDATE trusts SET api_key_hash = (SELECT * FROM moved) WHERE id = ?", [to])
    connection.close()
