"""The handlers: what the tests of FLIP's trust-api check of them."""

from __future__ import annotations

import hashlib

import pytest
from httpx import ConnectError, Response

from flame_node_agent.config.task_limits import TASK_TYPES
from flame_node_agent.wire.tasks import Outcome
from tests.unit.tasks.conftest import INTERNAL_KEY, KEY_TEXT, said, sent
from tests.unit.tasks.payloads import (
    CALLS,
    CREATE_IMAGING,
    EMAIL,
    IMAGING_STATUS,
    PAYLOADS,
    PROJECT,
    SQL,
    USER,
    route_of,
)

INTERNAL = "X-Trust-Internal-Service-Key"


def test_registry_is_exactly_the_known_types(registry) -> None:
    assert set(registry) == {
        "cohort_query",
        "create_imaging",
        "delete_imaging",
        "get_imaging_status",
        "reimport_studies",
        "update_user_profile",
        "persist_cohort",
    }
    assert set(registry) == set(TASK_TYPES)


@pytest.mark.parametrize("task_type", PAYLOADS)
async def test_invalid_payload_is_a_validation_error_and_nobody_is_asked(mocked, registry, task_type) -> None:
    missing = dict(PAYLOADS[task_type])
    field = next(iter(missing))
    del missing[field]
    outcome = await registry[task_type](missing)
    assert not outcome.success
    assert outcome.cohort_report is None
    assert said(outcome)["error"].startswith("1 validation error for ")
    assert f"{field}: Field required" in said(outcome)["error"]
    assert not mocked.calls


async def test_create_imaging_hands_the_payload_on_and_reports_what_was_made(mocked, registry) -> None:
    made = {"ID": "P1", "name": "Stroke", "created_users": [], "added_users": [EMAIL]}
    route = mocked.post(CALLS["create_imaging"][1]).respond(json=made)
    outcome = await registry["create_imaging"](CREATE_IMAGING)
    assert outcome.success
    assert said(outcome) == made
    assert route.calls.last.request.headers[INTERNAL] == INTERNAL_KEY
    assert sent(route) == CREATE_IMAGING | {
        "users": [{"id": USER, "email": EMAIL, "is_disabled": False}],
        "dicom_to_nifti": True,
    }


async def test_create_imaging_needs_neither_query_nor_users(mocked, registry) -> None:
    route = mocked.post(CALLS["create_imaging"][1]).respond(json={})
    short = {name: CREATE_IMAGING[name] for name in ("project_id", "trust_id", "project_name")}
    assert (await registry["create_imaging"](short)).success
    assert sent(route) == short | {"query": None, "users": [], "dicom_to_nifti": True}


async def test_delete_imaging_names_the_project_in_the_path(mocked, registry) -> None:
    route = mocked.delete(CALLS["delete_imaging"][1]).respond(json={"deleted": True})
    outcome = await registry["delete_imaging"]({"imaging_project_id": PROJECT})
    assert said(outcome) == {"deleted": True}
    assert route.calls.last.request.url.query == b""
    assert route.calls.last.request.headers[INTERNAL] == INTERNAL_KEY


@pytest.mark.parametrize("answer", [Response(204), Response(200, text="null")], ids=["204", "null"])
async def test_delete_imaging_may_have_nothing_to_report(mocked, registry, answer) -> None:
    mocked.delete(CALLS["delete_imaging"][1]).mock(return_value=answer)
    assert await registry["delete_imaging"]({"imaging_project_id": PROJECT}) == Outcome(success=True)


async def test_imaging_status_passes_the_query_on_and_reports_the_counts(mocked, registry) -> None:
    counts = {"project_creation_completed": True, "import_status": {"successful_count": 3}}
    route = route_of(mocked, "get_imaging_status").respond(json=counts)
    outcome = await registry["get_imaging_status"](IMAGING_STATUS)
    assert said(outcome) == counts
    assert dict(route.calls.last.request.url.params) == {"encoded_query": IMAGING_STATUS["encoded_query"]}


async def test_imaging_status_relays_the_status_of_a_failure(mocked, registry) -> None:
    route_of(mocked, "get_imaging_status").respond(404, json={"detail": "no project"})
    outcome = await registry["get_imaging_status"](IMAGING_STATUS)
    assert not outcome.success
    assert said(outcome) == {"error": "404: no project", "status_code": 404}


async def test_reimport_puts_and_reports_success_alone(mocked, registry) -> None:
    route = route_of(mocked, "reimport_studies").respond(202, json={"message": "Reimport queued"})
    assert await registry["reimport_studies"](IMAGING_STATUS) == Outcome(success=True)
    assert dict(route.calls.last.request.url.params) == {"encoded_query": IMAGING_STATUS["encoded_query"]}


async def test_user_profile_is_put_and_reports_success_alone(mocked, registry) -> None:
    route = route_of(mocked, "update_user_profile").respond(json={"username": "ada"})
    assert await registry["update_user_profile"]({"email": EMAIL, "enabled": False}) == Outcome(success=True)
    assert sent(route) == {"email": EMAIL, "enabled": False}
    assert route.calls.last.request.headers[INTERNAL] == INTERNAL_KEY


@pytest.mark.parametrize("task_type", PAYLOADS)
async def test_every_handler_fails_when_its_service_refuses(mocked, registry, task_type) -> None:
    route_of(mocked, task_type).respond(418, text="not enabled")
    outcome = await registry[task_type](PAYLOADS[task_type])
    assert not outcome.success
    assert said(outcome)["error"] == "418: not enabled"


async def test_persist_forwards_only_two_fields_and_returns_the_facts(mocked, registry) -> None:
    facts = {"row_count": 40, "columns": ["person_id"], "has_accessions": False}
    route = mocked.post(CALLS["persist_cohort"][1]).respond(json=facts)
    outcome = await registry["persist_cohort"](PAYLOADS["persist_cohort"])
    assert said(outcome) == facts
    assert sent(route) == {"encrypted_project_id": "c2VhbGVk", "query": SQL}
    headers = route.calls.last.request.headers
    assert headers[INTERNAL] == INTERNAL_KEY
    assert headers["X-Cohort-Admin-Key"] == hashlib.sha256(KEY_TEXT.encode()).hexdigest()


async def test_persist_refuses_an_invalid_payload(mocked, registry) -> None:
    outcome = await registry["persist_cohort"]({"query": SQL})
    assert said(outcome)["error"].startswith("3 validation errors for PersistCohort: ")
    assert SQL not in said(outcome)["error"]
    assert not mocked.calls


async def test_persist_relays_a_403(mocked, registry) -> None:
    detail = "Not authorised to define the cohort snapshot."
    mocked.post(CALLS["persist_cohort"][1]).respond(403, json={"detail": detail})
    assert said(await registry["persist_cohort"](PAYLOADS["persist_cohort"])) == {"error": f"403: {detail}"}


async def test_only_persist_shows_the_admin_key(mocked, registry) -> None:
    for task_type in set(PAYLOADS) - {"persist_cohort"}:
        route = route_of(mocked, task_type).respond(json={})
        await registry[task_type](PAYLOADS[task_type])
        assert "X-Cohort-Admin-Key" not in route.calls.last.request.headers


@pytest.mark.parametrize("task_type", sorted(set(PAYLOADS) - {"cohort_query", "persist_cohort"}))
async def test_absent_imaging_api_is_reported_as_unreachable(mocked, registry, task_type) -> None:
    route_of(mocked, task_type).mock(side_effect=ConnectError("All connection attempts failed"))
    outcome = await registry[task_type](PAYLOADS[task_type])
    assert not outcome.success
    error = said(outcome)["error"]
    assert error == "502: Failed to connect to remote service: ConnectError"
