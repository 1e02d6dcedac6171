"""The sides of the agent: each alone, both in one process, and none of them half."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from flame_node_agent.devstack.agent_server import AgentServer
from flame_node_agent.devstack.testing import LazyParts, Sides
from tests.acceptance.bearers import Bearers
from tests.acceptance.commands import flame_node
from tests.acceptance.hub_agents import awaited, serving_trust
from tests.acceptance.task_services import StandIn
from tests.conftest import EnvironmentFactory

SETTINGS_WRONG = 2
RESULT_SIDES = ("HUB__", "MINIO__", "OIDC__", "CRYPTO__")
QUERY = "SELECT person_id FROM omop.person"


def names(environment: dict[str, str], prefixes: tuple[str, ...]) -> set[str]:
    return {name for name in environment if name.startswith(prefixes)}


def test_task_side_alone_needs_no_object_store_and_no_issuer_of_tokens(
    parts: LazyParts, tmp_path: Path, node_env: EnvironmentFactory
) -> None:
    """It serves what an operator asks of it, and no route for results."""
    hub = parts.hub()
    assert names(node_env(hub, sides="tasks"), RESULT_SIDES) == set()
    with StandIn() as services, serving_trust(parts, tmp_path, hub, services.url) as trust:
        assert trust.asked(QUERY)[0]["status"] == "COMPLETED"
        with httpx.Client(base_url=trust.agent.url, trust_env=False, timeout=30) as http:
            assert http.put("/final").status_code == 404
            assert http.get("/health").json()["status"] == "ok"
            awaited(lambda: http.get("/readyz").status_code == 200 or None)
            assert http.get("/healthz").status_code == 200


def test_both_sides_work_in_one_process(
    parts: LazyParts, tmp_path: Path, node_env: EnvironmentFactory, bearers: Bearers
) -> None:
    """A result of an analysis and a cohort of a task go out through the same agent."""
    hub = parts.hub()
    both = node_env(hub, sides="both")
    result_side = {name: both[name] for name in names(both, RESULT_SIDES)}
    analysis = hub.new_analysis()
    with StandIn() as services, serving_trust(parts, tmp_path, hub, services.url, **result_side) as trust:
        with httpx.Client(base_url=trust.agent.url, trust_env=False, timeout=30) as http:
            awaited(lambda: http.get("/readyz").status_code == 200 or None)
            taken = http.put("/final", files={"file": ("r.bin", b"result")}, auth=bearers.of(analysis.id))
        assert taken.status_code == 204, taken.text
        assert trust.asked(QUERY)[0]["status"] == "COMPLETED"
        awaited(lambda: any(up["analysis_id"] == str(analysis.id) for up in hub.uploads()) or None)


@pytest.mark.parametrize(
    ("sides", "missing", "reason"),
    [
        ("tasks", ["TRUST_API_KEY", "AES_KEY_BASE64", "CENTRAL_HUB_API_URL"], "the task side"),
        ("both", ["TRUST_API_KEY", "MINIO__BUCKET"], "the result side"),
    ],
)
def test_side_that_is_configured_by_half_stops_the_start(
    node_env: EnvironmentFactory, tmp_path: Path, sides: Sides, missing: list[str], reason: str
) -> None:
    """One line for each missing variable, which says what it is needed for, and no secret of the others."""
    environment = {name: value for name, value in node_env(sides=sides).items() if name not in missing}
    ended = flame_node("agent", environment=environment, directory=tmp_path)
    assert ended.returncode == SETTINGS_WRONG
    lines = ended.stderr.splitlines()
    assert sorted(line.partition(":")[0] for line in lines) == sorted(missing)
    assert reason in ended.stderr
    secrets = ("AES_KEY_BASE64", "TRUST_INTERNAL_SERVICE_KEY", "POSTGRES__PASSWORD", "MINIO__SECRET_KEY")
    assert not [name for name in secrets if environment.get(name, "\0") in ended.stderr]


def test_result_side_alone_polls_no_hub_for_tasks(
    parts: LazyParts, tmp_path: Path, node_env: EnvironmentFactory
) -> None:
    """It has none of FLIP's routes, and its own health."""
    hub = parts.hub()
    environment = node_env(hub, sides="results")
    ports = tuple(int(port) for port in environment["LISTEN__PORTS"].split(","))
    agent = AgentServer(tmp_path, env_file=tmp_path / "agent.env", ports=ports)
    agent.write_settings(environment)
    agent.start()
    try:
        assert httpx.get(f"{agent.url}/healthz", trust_env=False).json() == {"status": "ok"}
        assert httpx.get(f"{agent.url}/health", trust_env=False).status_code == 404
        log = (tmp_path / "agent.log").read_text()
    finally:
        agent.stop()
    assert '"tasks": false' in log
