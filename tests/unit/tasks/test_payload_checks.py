"""What no payload can make a handler do, and what no error tells."""

from __future__ import annotations

import pytest

from tests.unit.tasks.conftest import said
from tests.unit.tasks.payloads import (
    CREATE_IMAGING,
    EMAIL,
    IMAGING_STATUS,
    PAYLOADS,
    route_of,
)


@pytest.mark.parametrize("task_type", ["delete_imaging", "get_imaging_status", "reimport_studies"])
@pytest.mark.parametrize(
    "project", ["../other-resource", "..", "a/b", "%2e%2e", "", "a?b", "a#b", "P 1", "ä", "P\n"]
)
async def test_nothing_but_an_id_reaches_a_path(mocked, registry, task_type, project) -> None:
    outcome = await registry[task_type](PAYLOADS[task_type] | {"imaging_project_id": project})
    assert "validation error" in said(outcome)["error"]
    assert not mocked.calls


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
