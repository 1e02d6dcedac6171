"""Both generations of the hub's task routes, and addresses of the hub that people write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from flame_node_agent.devstack.data_access_server import DataAccessServer
from flame_node_agent.devstack.running_hub import RunningHub
from flame_node_agent.devstack.testing import LazyParts
from tests.acceptance.hub_agents import awaited, serving_trust
from tests.acceptance.task_services import StandIn
from tests.acceptance.task_witness import watched_trust

COHORT = "SELECT person_id FROM omop.person WHERE person_id <= 1000"


@pytest.fixture(scope="module")
def named_hub(parts: LazyParts) -> RunningHub:
    return parts.hub(task_options=["--task-routes", "named"])


@pytest.fixture(scope="module")
def named_data_access(parts: LazyParts, named_hub: RunningHub) -> Iterator[DataAccessServer]:
    with parts.data_access(parts.data_access_environment(named_hub)) as server:
        yield server


@pytest.mark.parametrize("routes", ["auto", "named"])
def test_older_hub_gets_its_cohorts(
    parts: LazyParts,
    tmp_path: Path,
    named_hub: RunningHub,
    named_data_access: DataAccessServer,
    routes: str,
) -> None:
    """Its routes are found by the agent itself, or set; everything else goes the same way."""
    with (
        watched_trust(parts, tmp_path, named_hub, named_data_access.url, HUB_TASK_ROUTES=routes) as (
            trust,
            witness,
        ),
    ):
        task, known = trust.asked(COHORT)
        refused, of_refused = trust.asked("DROP TABLE omop.person")
        awaited(lambda: any(beat.status == 200 for beat in witness.heartbeats()) or None)
        asked = {each.request.path for each in list(witness.passages)}
    name = named_hub.seed.trust.name.replace(" ", "%20")
    assert (task["status"], known["record_count"]) == ("COMPLETED", 1_000)
    assert (refused["status"], list(of_refused["trust_errors"])) == ("FAILED", [str(named_hub.seed.trust.id)])
    assert f"/api/tasks/{name}/pending" in asked
    # Whichever loop comes first finds out for all.
    assert bool({"/api/tasks/pending", "/api/trust/heartbeat"} & asked) == (routes == "auto")


@pytest.mark.parametrize(("routes", "suffix"), [("current", ""), ("auto", "/api/")])
def test_hub_is_found_with_and_without_api_in_its_address(
    parts: LazyParts, tmp_path: Path, routes: str, suffix: str
) -> None:
    hub = parts.hub()
    address = hub.urls.api.removesuffix("/api") + suffix
    with (
        StandIn() as services,
        serving_trust(
            parts, tmp_path, hub, services.url, CENTRAL_HUB_API_URL=address, HUB_TASK_ROUTES=routes
        ) as trust,
    ):
        task, _ = trust.asked(COHORT)
        assert task["status"] == "COMPLETED"
        assert len(services.calls) == 1
        assert "hub.routes_changed" not in trust.log()


def test_older_hub_without_trust_name_says_what_is_missing(
    parts: LazyParts, tmp_path: Path, named_hub: RunningHub
) -> None:
    with (
        StandIn() as services,
        serving_trust(parts, tmp_path, named_hub, services.url, TRUST_NAME="") as trust,
    ):
        awaited(lambda: "hub.routes_missing" in trust.log() or None)
        assert "set TRUST_NAME" in trust.log()


def test_web_page_of_the_hub_is_told_from_its_api(parts: LazyParts, tmp_path: Path) -> None:
    """200 with HTML is what an address without /api would get; polling goes on, and the task arrives later."""
    hub = parts.hub()
    hub.fault(match="GET /api/tasks/pending", status=200, html=True)
    with StandIn() as services, serving_trust(parts, tmp_path, hub, services.url) as trust:
        task_id = trust.ask(COHORT, str(uuid4()))
        awaited(lambda: "the hub's web page, not its API" in trust.log() or None)
        assert "CENTRAL_HUB_API_URL should end in /api" in trust.log()
        assert hub.tasks()[task_id]["status"] == "PENDING"
        hub.clear_faults()
        assert trust.closed(task_id)["status"] == "COMPLETED"
