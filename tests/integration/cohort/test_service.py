"""POST /cohort on real databases: what is told, and what looks as if there were nothing to tell."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from flame_node_agent.cohort.policy import Policy
from flame_node_agent.devstack.omop.access import OmopAccess
from flame_node_agent.devstack.postgres import PostgresAccess
from tests.integration.cohort.service_ground import Service, serving

PEOPLE = "SELECT person_id FROM person WHERE person_id <= {}"


@pytest.fixture(scope="module")
async def service(
    omop: OmopAccess, postgres_database: Callable[[], PostgresAccess]
) -> AsyncIterator[Service]:
    async with serving(omop, postgres_database) as running:
        yield running


async def answer_to(service: Service, query: str) -> tuple[int, bytes]:
    """The answer to a project that has asked nothing before."""
    answer = await service.post("/cohort", uuid.uuid4(), query)
    return answer.status_code, answer.content


async def test_large_cohort_is_told_with_counts_and_demographics(service: Service) -> None:
    answer = (await service.post("/cohort", uuid.uuid4(), "SELECT * FROM person")).json()
    assert (answer["record_count"], answer["suppressed"]) == (2000, False)
    names = [group["name"] for group in answer["data"]]
    assert names == ["Counts", "Nulls", "Age Distribution", "Sex Distribution"]
    counts = {bucket["value"]: bucket["count"] for bucket in answer["data"][0]["results"]}
    assert counts["person\nid"] == 2000
    assert all(isinstance(bucket["value"], str) for group in answer["data"] for bucket in group["results"])


@pytest.mark.parametrize("persons", [1, 5, 9])
async def test_small_cohort_and_empty_cohort_are_answered_byte_for_byte_alike(
    service: Service, persons: int
) -> None:
    empty = await answer_to(service, PEOPLE.format(0))
    assert empty[0] == 200
    assert b'"suppressed":true' in empty[1]
    assert await answer_to(service, PEOPLE.format(persons)) == empty


async def test_as_many_people_as_the_threshold_are_told(service: Service) -> None:
    assert (await service.post("/cohort", uuid.uuid4(), PEOPLE.format(10))).json()["record_count"] == 10


async def test_cohort_without_subjects_is_answered_as_an_empty_one(service: Service) -> None:
    uncountable = await answer_to(service, "SELECT gender_source_value FROM person")
    assert uncountable == await answer_to(service, PEOPLE.format(0))


async def test_many_rows_of_few_people_are_answered_as_an_empty_cohort(service: Service) -> None:
    query = (
        "SELECT p.person_id FROM person p CROSS JOIN generate_series(1, 100) AS g(n) WHERE p.person_id < 10"
    )
    assert await answer_to(service, query) == await answer_to(service, PEOPLE.format(0))


async def test_studies_are_counted_by_the_people_whose_they_are(service: Service) -> None:
    studies = "SELECT accession_id FROM image_occurrence"
    assert (await service.post("/cohort", uuid.uuid4(), studies)).json()["suppressed"] is False
    few = f"{studies} WHERE person_id = (SELECT min(person_id) FROM image_occurrence)"
    assert await answer_to(service, few) == await answer_to(service, PEOPLE.format(0))


async def test_denied_cohort_is_answered_byte_for_byte_as_an_empty_one(
    omop: OmopAccess, postgres_database: Callable[[], PostgresAccess], tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[access.rule]]\nid = "no"\naction = "cohort.statistics"\neffect = "deny"\n')
    async with serving(omop, postgres_database, Policy.load(policy, 10)) as denying:
        denied = await answer_to(denying, PEOPLE.format(500))
    async with serving(omop, postgres_database) as permitting:
        assert denied == await answer_to(permitting, PEOPLE.format(0))


async def test_size_of_a_rule_suppresses_what_the_threshold_would_not(
    omop: OmopAccess, postgres_database: Callable[[], PostgresAccess], tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(
        '[[access.rule]]\nid = "r"\naction = "cohort.statistics"\neffect = "permit"\nmin_cohort_size = 100\n'
    )
    async with serving(omop, postgres_database, Policy.load(policy, 10)) as service:
        small = await service.post("/cohort", uuid.uuid4(), PEOPLE.format(99))
        large = await service.post("/cohort", uuid.uuid4(), PEOPLE.format(100))
    assert (small.json()["suppressed"], large.json()["suppressed"]) == (True, False)


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("DELETE FROM person", "Only SELECT statements are allowed."),
        ("SELECT person_id FROM person; SELECT 1", "Exactly one SQL statement is allowed per request."),
        ("SELECT person_id FROM telltale", "telltale' does not exist."),
        ("SELECT telltale FROM person", "The column 'telltale' does not exist."),
        ("SELECT * FROM pg_catalog.pg_user", "Only the 'omop' schema is allowed."),
    ],
)
async def test_wrong_queries_are_refused_with_flips_texts(service: Service, query: str, detail: str) -> None:
    answer = await service.post("/cohort", uuid.uuid4(), query)
    assert answer.status_code == 400
    assert answer.json()["detail"].endswith(detail)


async def test_query_that_fails_in_the_database_is_told_by_a_code(service: Service) -> None:
    query = "SELECT person_id, (gender_source_value || 'telltale')::int AS n FROM person"
    with capture_logs() as logs:
        answer = await service.post("/cohort", uuid.uuid4(), query)
    assert answer.status_code == 500
    assert answer.json() == {"detail": "query_failed"}
    assert "telltale" not in str(logs)


async def test_query_that_takes_too_long_is_told_by_a_code(
    omop: OmopAccess, postgres_database: Callable[[], PostgresAccess]
) -> None:
    endless = (
        "SELECT a.person_id FROM person a CROSS JOIN person b CROSS JOIN person c"
        " WHERE a.person_id + b.person_id > c.person_id"
    )
    async with serving(
        omop, postgres_database, COHORT_STATEMENT_TIMEOUT_SECONDS="0.3", COHORT_ROW_LEVEL="live"
    ) as service:
        for path in ("/cohort", "/cohort/dataframe", "/cohort/snapshot"):
            answer = await service.post(path, uuid.uuid4(), endless)
            assert (answer.status_code, answer.json()) == (500, {"detail": "query_timeout"})
