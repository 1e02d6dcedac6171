"""Answers to cohort queries at the development hub: taken, replaced, aggregated, and stripped of what errors tell."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from flame_node_agent.devstack.hub.cohorts import redact
from tests.unit.devhub.trust import COHORT, QUERY_ID, TRUST_ID, TRUST_NAME, TrustCalls

REPORT: dict[str, Any] = {
    "query_id": QUERY_ID,
    "trust_id": TRUST_ID,
    "created": "2026-01-31",
    "record_count": 40,
    "data": [
        {"name": "Sex Distribution", "results": [{"value": "F", "count": 25}, {"value": "M", "count": 15}]}
    ],
    "suppressed": False,
}


@pytest.fixture
async def asked(calls: TrustCalls) -> TrustCalls:
    """A hub where the query has been asked."""
    await calls.order("cohort_query", **COHORT)
    return calls


async def test_query_without_an_answer_is_pending(asked: TrustCalls) -> None:
    answer = await asked.get(f"/admin/cohort/{QUERY_ID}")
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")


async def test_unknown_query_is_a_404(asked: TrustCalls) -> None:
    unknown = str(uuid.uuid4())
    assert (await asked.get(f"/admin/cohort/{unknown}")).status_code == 404
    assert (await asked.post("/api/cohort/results", {**REPORT, "query_id": unknown})).status_code == 404


async def test_answer_is_aggregated(asked: TrustCalls) -> None:
    answer = await asked.post("/api/cohort/results", REPORT)
    assert answer.json() == {"message": "Cohort results processed successfully"}
    assert (await asked.get(f"/admin/cohort/{QUERY_ID}")).json() == {
        "record_count": 40,
        "trusts_results": [
            {
                "name": "Sex Distribution",
                "results": [
                    {"data": REPORT["data"][0]["results"], "trust_id": TRUST_ID, "trust_name": TRUST_NAME}
                ],
            }
        ],
        "trust_record_counts": {TRUST_ID: 40},
        "trust_errors": {},
        "trust_suppressed": [],
        "reports": {TRUST_ID: 1},
    }


async def test_later_answer_replaces_the_earlier(asked: TrustCalls) -> None:
    for count in (40, 50):
        await asked.post("/api/cohort/results", {**REPORT, "record_count": count})
    found = (await asked.get(f"/admin/cohort/{QUERY_ID}")).json()
    assert (found["record_count"], found["reports"]) == (50, {TRUST_ID: 2})


async def test_answers_of_all_trusts_are_added(asked: TrustCalls) -> None:
    other = await asked.another_trust()
    await asked.post("/api/cohort/results", REPORT)
    await other.post("/api/cohort/results", {**REPORT, "trust_id": other.trust_id, "record_count": 2})
    found = (await asked.get(f"/admin/cohort/{QUERY_ID}")).json()
    assert found["record_count"] == 42
    assert found["trust_record_counts"] == {TRUST_ID: 40, other.trust_id: 2}
    assert len(found["trusts_results"][0]["results"]) == 2


async def test_suppressed_and_failed_trusts_are_named(asked: TrustCalls) -> None:
    other = await asked.another_trust()
    nothing = {**REPORT, "record_count": 0, "data": None}
    await asked.post("/api/cohort/results", {**nothing, "suppressed": True})
    failed = {**nothing, "trust_id": other.trust_id, "error": "500: query_timeout"}
    await other.post("/api/cohort/results", failed)
    found = (await asked.get(f"/admin/cohort/{QUERY_ID}")).json()
    assert found["trust_suppressed"] == [TRUST_ID]
    assert found["trust_record_counts"] == {TRUST_ID: 0}
    assert found["trust_errors"] == {other.trust_id: "query_timeout"}


async def test_nobody_reports_for_another_trust(asked: TrustCalls) -> None:
    other = await asked.another_trust()
    assert (await other.post("/api/cohort/results", REPORT)).status_code == 403


@pytest.mark.parametrize(
    "change",
    [
        {"query_id": "no-uuid"},
        {"record_count": "many"},
        {"data": [{"name": "a"}]},
        {"data": [{"name": "a", "results": [{"value": 1, "count": 1}]}]},
        {"created": None},
    ],
)
async def test_answer_that_does_not_fit_is_a_422(asked: TrustCalls, change: dict[str, Any]) -> None:
    assert (await asked.post("/api/cohort/results", {**REPORT, **change})).status_code == 422


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ("500: query_failed", "query_failed"),
        ("500: query_timeout", "query_timeout"),
        ("internal_error", "internal_error"),
        ("400: The table 'secret' does not exist.", "query_failed"),
        ("502: Failed to connect to remote service: 10.0.0.1", "query_failed"),
        ("", "query_failed"),
    ],
)
def test_error_is_told_by_its_code_alone(error: str, shown: str) -> None:
    assert redact(error) == shown
