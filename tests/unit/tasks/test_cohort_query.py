"""``cohort_query``: one call to data-access-api, and a report for the hub that the reporter delivers."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from httpx import ConnectError

from flame_node_agent.wire.tasks import Outcome
from tests.unit.tasks.conftest import INTERNAL_KEY, said, sent
from tests.unit.tasks.payloads import (
    COHORT_QUERY,
    TRUST,
    route_of,
)

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


async def test_cohort_query_asks_data_access_with_the_internal_key_and_leaves_a_report(
    mocked, registry
) -> None:
    """The report is the second call of FLIP's trust-api; here the reporter makes it, as often as it takes."""
    route = route_of(mocked, "cohort_query").respond(json=COHORT_ANSWER)
    outcome = await registry["cohort_query"](COHORT_QUERY)
    assert outcome == Outcome(success=True, result=None, cohort_report=outcome.cohort_report)
    assert route.call_count == 1
    assert route.calls.last.request.headers["X-Trust-Internal-Service-Key"] == INTERNAL_KEY
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
    assert said(outcome) == {"error": "502: Failed to connect to remote service: ConnectError"}
    assert outcome.cohort_report is not None


async def test_cohort_query_without_ids_leaves_no_report(mocked, registry) -> None:
    route_of(mocked, "cohort_query").respond(500, json={"detail": "query_failed"})
    outcome = await registry["cohort_query"](COHORT_QUERY | {"query_id": ""})
    assert not outcome.success
    assert outcome.cohort_report is None


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
