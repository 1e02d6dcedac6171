"""Tasks from the hub to their results: agent, data-access-api, OMOP database and hub as processes of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from flame_node_agent.devstack.testing import LazyParts
from tests.acceptance.hub_agents import Trust, awaited, serving_trust

EVERYBODY = "SELECT person_id, year_of_birth FROM omop.person"
NOT_LONG = {"TASKS__SERVICE_PATIENCE_SECONDS": "1"}
"""imaging-api is away."""
EMAIL = "ada.lovelace@hospital.example"


@pytest.fixture(scope="module")
def trust(parts: LazyParts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trust]:
    hub = parts.hub(fresh=True)
    with (
        parts.data_access(parts.data_access_environment(hub)) as data_access,
        serving_trust(parts, tmp_path_factory.mktemp("agent"), hub, data_access.url, **NOT_LONG) as serving,
    ):
        yield serving


def error_of(task: dict[str, Any]) -> str:
    assert task["status"] == "FAILED"
    return str(json.loads(task["result"])["error"])


def test_aggregates_of_a_large_cohort_reach_the_hub(trust: Trust) -> None:
    task, known = trust.asked(EVERYBODY)
    assert (task["status"], task["result"]) == ("COMPLETED", None)
    assert known["record_count"] == 2_000
    names = {group["name"] for group in known["trusts_results"]}
    assert {"Counts", "Age Distribution", "Sex Distribution"} <= names


def test_small_cohort_and_none_look_the_same(trust: Trust) -> None:
    small, of_small = trust.asked("SELECT person_id FROM omop.person WHERE person_id <= 4")
    none, of_none = trust.asked("SELECT person_id FROM omop.person WHERE person_id < 0")
    assert (small["status"], small["result"]) == (none["status"], none["result"]) == ("COMPLETED", None)
    assert of_small == of_none
    assert of_small["record_count"] == 0


def test_query_that_is_refused_is_told_to_task_and_cohort(trust: Trust) -> None:
    task, known = trust.asked("DELETE FROM omop.person")
    assert error_of(task) == "400: Only SELECT statements are allowed."
    assert list(known["trust_errors"]) == [str(trust.hub.seed.trust.id)]
    assert known["record_count"] == 0


def test_cohort_is_frozen_and_the_facts_are_told(trust: Trust) -> None:
    task = trust.done("persist_cohort", query=EVERYBODY, project_id=str(uuid4()))
    assert task["status"] == "COMPLETED"
    facts = json.loads(task["result"])
    assert (facts["row_count"], facts["has_accessions"]) == (2_000, False)


@pytest.mark.parametrize(
    ("task_type", "payload"),
    [
        ("create_imaging", {"project_id": str(uuid4()), "project_name": "Stroke"}),
        ("delete_imaging", {"imaging_project_id": str(uuid4())}),
        ("get_imaging_status", {"imaging_project_id": "P1", "encoded_query": "U0VMRUNU"}),
        ("reimport_studies", {"imaging_project_id": "P1", "encoded_query": "U0VMRUNU"}),
        ("update_user_profile", {"email": EMAIL, "enabled": True}),
    ],
)
def test_imaging_tasks_report_that_imaging_api_is_away(
    trust: Trust, task_type: str, payload: dict[str, object]
) -> None:
    error = error_of(trust.done(task_type, **payload))
    assert error.startswith("502: Failed to connect to remote service: ")


def test_unknown_type_is_reported(trust: Trust) -> None:
    assert error_of(trust.done("make_coffee", sugar=True)) == "Unknown task type: make_coffee"


def test_invalid_payload_is_reported_without_its_values(trust: Trust) -> None:
    error = error_of(trust.done("update_user_profile", email=EMAIL, enabled="perhaps"))
    assert "validation error" in error
    assert "perhaps" not in error


def test_health_tells_of_the_hub(trust: Trust) -> None:
    def told() -> dict[str, Any] | None:
        health = trust.health()
        return health if health["hub_key_match"] is not None else None

    health = awaited(told)
    assert (health["status"], health["dead_tasks"], health["hub_key_match"]) == ("ok", [], True)


def test_log_holds_no_query_no_address_and_no_key(trust: Trust) -> None:
    query = "SELECT person_id FROM omop.person WHERE year_of_birth = 1931"
    trust.asked(query)
    trust.done("update_user_profile", email=EMAIL, enabled=False)
    log = trust.log()
    assert "task.finished" in log
    seed = trust.hub.seed.trust
    for secret in ("year_of_birth", EMAIL, seed.api_key, seed.aes_key_base64, seed.internal_service_key):
        assert secret not in log
