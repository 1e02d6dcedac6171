"""The handlers: what the tests of FLIP's trust-api check of them, and what all of them have in common."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest
import respx
from httpx import ConnectError, Response

from flame_node_agent.config.task_limits import TASK_TYPES
from flame_node_agent.tasks.handling import Handler
from flame_node_agent.tasks.registry import handlers
from flame_node_agent.wire.tasks import Outcome
from tests.unit.tasks.conftest import INTERNAL_KEY, KEY_TEXT, said, sent
from tests.unit.tasks.payloads import (
    CALLS,
    COHORT_QUERY,
    CREATE_IMAGING,
    EMAIL,
    IMAGING_STATUS,
    PAYLOADS,
    PROJECT,
    SQL,
    TRUST,
    USER,
)

INTERNAL = "X-Trust-Internal-Service-Key"
COHORT_ANSWER = {
    "query_id": "query-1",
    "trust_id": TRUST,
    "record_count": 120,
    "created": "2026-03-01",
    "data": [
        {"name": "Counts", "results": [{"value": "person\nid", "count": 120}]},
        {"name": "Age Distribution", "results": [{"value": 20, "count": 60}, {"value": None, "count": 60}]},
    ],
    "suppressed": False,
}


@pytest.fixture
def registry(services) -> dict[str, Handler]:
    return dict(handlers(services))


def route_of(mocked: respx.MockRouter, task_type: str) -> respx.Route:
    method, url = CALLS[task_type]
    return mocked.route(method=method, url__startswith=url)


# The lines of FLIP's tests


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


async def test_cohort_query_asks_data_access_with_the_internal_key_and_leaves_a_report(
    mocked, registry
) -> None:
    """The report is the second call of FLIP's trust-api; here the reporter makes it, as often as it takes."""
    route = route_of(mocked, "cohort_query").respond(json=COHORT_ANSWER)
    outcome = await registry["cohort_query"](COHORT_QUERY)
    assert outcome == Outcome(success=True, result=None, cohort_report=outcome.cohort_report)
    assert route.call_count == 1
    assert route.calls.last.request.headers[INTERNAL] == INTERNAL_KEY
    assert "Authorization" not in route.calls.last.request.headers
    assert sent(route) == COHORT_QUERY
    assert outcome.cohort_report == COHORT_ANSWER | {
        "data": [
            {"name": "Counts", "results": [{"value": "person\nid", "count": 120}]},
            {
                "name": "Age Distribution",
                "results": [{"value": "20", "count": 60}, {"value": "None", "count": 60}],
            },
        ]
    }


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


async def test_failed_cohort_query_leaves_an_error_report(mocked, registry) -> None:
    route_of(mocked, "cohort_query").respond(500, json={"detail": "query_failed"})
    outcome = await registry["cohort_query"](COHORT_QUERY)
    assert not outcome.success
    assert said(outcome) == {"error": "500: query_failed"}
    assert outcome.cohort_report == {
        "query_id": "query-1",
        "trust_id": TRUST,
        "created": datetime.now(UTC).date().isoformat(),
        "record_count": 0,
        "data": [],
        "error": "500: query_failed",
    }


async def test_error_report_and_the_tasks_own_error_are_two_things(mocked, registry) -> None:
    """So whatever becomes of the report, the hub is told the original error."""
    route_of(mocked, "cohort_query").mock(side_effect=ConnectError("refused"))
    outcome = await registry["cohort_query"](COHORT_QUERY)
    assert said(outcome) == {"error": "502: Failed to connect to remote service: refused"}
    assert outcome.cohort_report is not None


async def test_cohort_query_without_ids_leaves_no_report(mocked, registry) -> None:
    route_of(mocked, "cohort_query").respond(500, json={"detail": "query_failed"})
    outcome = await registry["cohort_query"](COHORT_QUERY | {"query_id": ""})
    assert not outcome.success
    assert outcome.cohort_report is None


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


@pytest.mark.parametrize("task_type", ["delete_imaging", "get_imaging_status", "reimport_studies"])
@pytest.mark.parametrize(
    "project", ["../other-resource", "..", "a/b", "%2e%2e", "", "a?b", "a#b", "P 1", "ä", "P\n"]
)
async def test_nothing_but_an_id_reaches_a_path(mocked, registry, task_type, project) -> None:
    outcome = await registry[task_type](PAYLOADS[task_type] | {"imaging_project_id": project})
    assert "validation error" in said(outcome)["error"]
    assert not mocked.calls


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


# Beyond them


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
    assert error == "502: Failed to connect to remote service: All connection attempts failed"


@pytest.mark.parametrize("task_type", PAYLOADS)
@pytest.mark.parametrize("payload", [None, [], "text", 1, {}])
async def test_payload_of_another_kind_is_refused(mocked, registry, task_type, payload) -> None:
    outcome = await registry[task_type](payload)
    assert "validation error" in said(outcome)["error"]
    assert not mocked.calls


async def test_validation_errors_never_repeat_a_value(mocked, registry) -> None:
    secret = "ada@hospital.example-4711"
    for task_type, payload in PAYLOADS.items():
        for field in payload:
            for wrong in ([secret], {secret: secret}, {"a": [secret]}):
                outcome = await registry[task_type](payload | {field: wrong})
                assert "validation error" in said(outcome)["error"]
                assert secret not in str(outcome.result)
    users = [{"id": secret, "email": 1, "is_disabled": secret}]
    outcome = await registry["create_imaging"](CREATE_IMAGING | {"users": users})
    assert "users.0.id" in said(outcome)["error"]
    assert secret not in str(outcome.result)


async def test_services_own_validation_errors_do_not_repeat_a_value_either(mocked, registry) -> None:
    """FastAPI answers 422 with the values that it has refused."""
    problem = {"type": "value_error", "loc": ["body", "email"], "msg": "not known", "input": EMAIL}
    route_of(mocked, "update_user_profile").respond(422, json={"detail": [problem, EMAIL]})
    outcome = await registry["update_user_profile"](PAYLOADS["update_user_profile"])
    assert said(outcome) == {"error": "422: body.email: not known; invalid request"}


@pytest.mark.parametrize("task_type", PAYLOADS)
async def test_text_that_no_request_can_carry_is_refused(mocked, registry, task_type) -> None:
    for field, value in PAYLOADS[task_type].items():
        if isinstance(value, str):
            outcome = await registry[task_type](PAYLOADS[task_type] | {field: "\ud800"})
            assert "validation error" in said(outcome)["error"]
    outcome = await registry["get_imaging_status"](IMAGING_STATUS | {"encoded_query": "A" * 100_000})
    assert "validation error" in said(outcome)["error"]
    assert not mocked.calls


@pytest.mark.parametrize("task_type", PAYLOADS)
async def test_unknown_keys_of_a_newer_hub_are_ignored(mocked, registry, task_type) -> None:
    route = route_of(mocked, task_type).respond(json={})
    assert (await registry[task_type](PAYLOADS[task_type] | {"priority": 1})).success
    assert b"priority" not in route.calls.last.request.content


@pytest.mark.parametrize("task_type", PAYLOADS)
async def test_handling_twice_asks_the_same_twice(mocked, registry, task_type) -> None:
    """The services see to it that the second time does no harm; so it must look like the first."""
    route = route_of(mocked, task_type).respond(json={"record_count": 0})
    first = await registry[task_type](PAYLOADS[task_type])
    assert await registry[task_type](PAYLOADS[task_type]) == first
    one, two = (call.request for call in route.calls)
    assert (one.method, one.url, one.content) == (two.method, two.url, two.content)


@pytest.mark.parametrize(
    "data", [None, "text", [1, None], [{"results": None}], [{"results": [1, {}]}], [{}]], ids=json.dumps
)
async def test_aggregates_of_an_odd_form_are_left_for_the_hub_to_judge(mocked, registry, data) -> None:
    route_of(mocked, "cohort_query").respond(json=COHORT_ANSWER | {"data": data})
    outcome = await registry["cohort_query"](COHORT_QUERY)
    assert outcome.cohort_report == COHORT_ANSWER | {"data": data}


async def test_cohort_answer_that_is_no_object_is_a_failure(mocked, registry) -> None:
    route_of(mocked, "cohort_query").respond(json=[1])
    outcome = await registry["cohort_query"](COHORT_QUERY)
    assert said(outcome) == {"error": "502: External API returned unexpected JSON"}
    assert outcome.cohort_report is not None


async def test_cohort_query_that_was_given_up_leaves_an_error_report(registry) -> None:
    outcome = registry["cohort_query"].timed_out(COHORT_QUERY, 300)
    assert said(outcome) == {"error": "504: query_timeout"}
    assert outcome.cohort_report is not None
    assert outcome.cohort_report["error"] == "504: query_timeout"
    assert registry["cohort_query"].timed_out({}, 300).cohort_report is None


def test_other_tasks_that_were_given_up_say_so(registry) -> None:
    assert said(registry["create_imaging"].timed_out({}, 900)) == {"error": "Given up after 900 s"}
