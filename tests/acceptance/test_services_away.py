"""Tasks whose service, or the database behind it, is away for a moment: they wait, and are answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from flame_node_agent.devstack.data_access_server import DataAccessServer
from flame_node_agent.devstack.testing import LazyParts
from tests.acceptance.hub_agents import Trust, awaited, serving_trust

EVERYBODY = "SELECT person_id, year_of_birth FROM omop.person"


@pytest.fixture(scope="module")
def parted(
    parts: LazyParts, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Trust, DataAccessServer]]:
    hub = parts.hub(fresh=True)
    with (
        parts.data_access(parts.data_access_environment(hub)) as data_access,
        serving_trust(parts, tmp_path_factory.mktemp("agent"), hub, data_access.url) as trust,
    ):
        yield trust, data_access


def times_logged(trust: Trust, event: str) -> int:
    lines = (json.loads(line) for line in trust.log().splitlines() if line.startswith("{"))
    return sum(line["event"] == event for line in lines)


def test_a_query_waits_for_a_service_that_was_killed(parted: tuple[Trust, DataAccessServer]) -> None:
    trust, data_access = parted
    data_access.kill()
    task = trust.ask(EVERYBODY, str(uuid4()))
    awaited(lambda: times_logged(trust, "service.unreachable") or None)
    assert trust.hub.tasks()[task]["status"] == "IN_PROGRESS"
    data_access.start()
    assert trust.closed(task)["status"] == "COMPLETED"
    assert times_logged(trust, "service.is_back") == 1
    assert trust.metric('flame_node_retries_total{what="service"}') >= 1
