"""A whole trust at a hub of the seed era: routes with the trust's name in them, payloads in AES-CBC."""

from __future__ import annotations

from pathlib import Path

import pytest

from flame_node_agent.devstack.testing import LazyParts
from tests.acceptance.hub_agents import serving_trust

EVERYBODY = "SELECT person_id FROM omop.person"
OLD_HUB = ("--task-routes", "named", "--legacy-cbc")


@pytest.mark.parametrize(
    ("accepted", "status", "records"),
    [("true", "COMPLETED", 2_000), ("false", "FAILED", None)],
    ids=["where the trust allows it", "not where it does not"],
)
def test_queries_of_a_hub_from_before_envelopes_are_answered(
    parts: LazyParts, tmp_path: Path, accepted: str, status: str, records: int | None
) -> None:
    hub = parts.hub(task_options=OLD_HUB)
    legacy = {"AES_ACCEPT_LEGACY_CBC": accepted}
    query_id = "0b6f6c3e-7a54-4f7c-9a55-6f1f8d1d7a10"
    with (
        parts.data_access(parts.data_access_environment(hub, **legacy)) as data_access,
        serving_trust(parts, tmp_path, hub, data_access.url, **legacy) as trust,
    ):
        task = trust.closed(trust.ask(EVERYBODY, query_id))
        known = hub.cohort(query_id)
        assert task["status"] == status, trust.log()
        assert (known and known["record_count"]) == records
        assert ("envelope.legacy_cbc_accepted" in trust.log()) is (accepted == "true")
