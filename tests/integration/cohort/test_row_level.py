"""Rows out of a real OMOP database: their values, whom they are of, and what is never given."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from flame_node_agent.devstack.omop.access import OmopAccess
from flame_node_agent.devstack.postgres import PostgresAccess
from tests.integration.cohort.service_ground import Service, serving

TOO_SMALL = (403, {"detail": "Cohort is too small for row-level data to be released."})
NO_SNAPSHOT = (403, {"detail": "No approved cohort snapshot exists for this project."})
ADULTS = "SELECT person_id, gender_source_value FROM person WHERE person_id <= 500"


@pytest.fixture(scope="module")
async def service(
    omop: OmopAccess, postgres_database: Callable[[], PostgresAccess]
) -> AsyncIterator[Service]:
    async with serving(omop, postgres_database) as running:
        yield running


@pytest.fixture(scope="module")
async def live(omop: OmopAccess, postgres_database: Callable[[], PostgresAccess]) -> AsyncIterator[Service]:
    async with serving(omop, postgres_database, COHORT_ROW_LEVEL="live") as running:
        yield running


async def values(live: Service, expression: str) -> list[Any]:
    """The distinct values of an expression as the answer gives them."""
    query = f"SELECT person_id, {expression} AS x FROM person WHERE person_id <= 20"
    found = await live.dataframe(uuid.uuid4(), query)
    assert len(found["x"]) == 20
    return sorted({json.dumps(value): value for value in found["x"]}.values(), key=str)


async def test_rows_are_those_of_the_frozen_cohort(service: Service) -> None:
    project = await service.freeze(ADULTS)
    found = await service.dataframe(project)
    assert list(found) == ["person_id", "gender_source_value"]
    expected = service.omop_rows(ADULTS)
    assert sorted(zip(found["person_id"], found["gender_source_value"], strict=True)) == sorted(expected)


async def test_many_columns_and_rows_keep_their_places(live: Service) -> None:
    columns = ", ".join(f"p.person_id * {factor} AS c{factor}" for factor in range(1, 60))
    found = await live.dataframe(
        uuid.uuid4(), f"SELECT p.person_id, {columns} FROM person p CROSS JOIN generate_series(1, 5) AS g(n)"
    )
    assert len(found["person_id"]) == 5 * 2000
    for factor in range(1, 60):
        assert found[f"c{factor}"] == [person * factor for person in found["person_id"]]


async def test_callers_query_is_ignored_and_a_difference_is_logged_without_it(service: Service) -> None:
    project = await service.freeze(ADULTS)
    with capture_logs() as logs:
        assert await service.dataframe(project, "DROP TABLE telltale") == await service.dataframe(project)
    warnings = [entry for entry in logs if entry["event"] == "snapshot.other_query_ignored"]
    assert warnings[0]["project"] == str(project)
    assert "telltale" not in str(logs)


async def test_same_query_in_another_spelling_is_no_difference(service: Service) -> None:
    project = await service.freeze(ADULTS)
    with capture_logs() as logs:
        await service.dataframe(project, "  " + ADULTS.upper().replace(" ", "\n "))
    assert not [entry for entry in logs if entry["event"] == "snapshot.other_query_ignored"]


async def test_project_without_a_snapshot_gets_nothing(service: Service) -> None:
    for path in ("/cohort/dataframe", "/cohort/accession-ids"):
        answer = await service.post(path, uuid.uuid4(), ADULTS)
        assert (answer.status_code, answer.json()) == NO_SNAPSHOT


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1.50", [1.5]),
        ("12345678901234567890.5", [12345678901234567890.5]),
        ("9007199254740993::bigint", [9007199254740993]),
        ("DATE '2020-02-29'", ["2020-02-29"]),
        ("TIMESTAMP '2020-02-29 13:14:15'", ["2020-02-29T13:14:15"]),
        ("TRUE", [True]),
        ("NULL::text", [None]),
        ("NULL::int", [None]),
        ("'NaN'::float", [None]),
        ("'Infinity'::float", [None]),
        ("'-Infinity'::numeric", [None]),
        ("'NaN'::text", ["NaN"]),
        ("'a\"b\\c\nü😀'", ['a"b\\c\nü😀']),
        ("''", [""]),
    ],
)
async def test_values_are_what_pandas_would_have_given(
    live: Service, expression: str, expected: list[Any]
) -> None:
    assert await values(live, expression) == expected


async def test_of_two_columns_with_one_name_the_first_is_given(live: Service) -> None:
    query = "SELECT p.person_id, 1 AS x, v.person_id, 2 AS x FROM person p JOIN visit_occurrence v USING (person_id)"
    found = await live.dataframe(uuid.uuid4(), query)
    assert list(found) == ["person_id", "x"]
    assert set(found["x"]) == {1}


async def test_name_of_a_column_may_be_anything(live: Service) -> None:
    found = await live.dataframe(uuid.uuid4(), 'SELECT person_id, 1 AS "A \u00fc \\ b" FROM person')
    assert list(found) == ["person_id", "A ü \\ b"]


async def test_percent_signs_in_a_query_are_its_own(live: Service) -> None:
    query = "SELECT person_id FROM person WHERE '5%' LIKE '%' AND person_id % 2 = 0"
    assert len((await live.dataframe(uuid.uuid4(), query))["person_id"]) == 1000


@pytest.mark.parametrize("persons", [0, 1, 9])
async def test_live_rows_of_too_few_people_are_refused_as_if_there_were_none(
    live: Service, persons: int
) -> None:
    query = f"SELECT person_id FROM person WHERE person_id <= {persons}"
    answer = await live.post("/cohort/dataframe", uuid.uuid4(), query)
    assert (answer.status_code, answer.json()) == TOO_SMALL


async def test_live_rows_of_enough_people_are_given(live: Service) -> None:
    found = await live.dataframe(uuid.uuid4(), "SELECT person_id FROM person WHERE person_id <= 10")
    assert sorted(found["person_id"]) == list(range(1, 11))


async def test_many_rows_of_few_people_are_too_few(live: Service) -> None:
    query = (
        "SELECT p.person_id FROM person p CROSS JOIN generate_series(1, 100) AS g(n) WHERE p.person_id < 10"
    )
    answer = await live.post("/cohort/dataframe", uuid.uuid4(), query)
    assert (answer.status_code, answer.json()) == TOO_SMALL


async def test_rows_of_made_up_people_count_for_nobody_and_are_not_given(live: Service) -> None:
    made_up = "SELECT n + 9000000 AS person_id FROM generate_series(1, 50) AS g(n)"
    answer = await live.post("/cohort/dataframe", uuid.uuid4(), made_up)
    assert (answer.status_code, answer.json()) == TOO_SMALL
    both = f"SELECT person_id FROM person WHERE person_id <= 30 UNION ALL {made_up}"
    assert sorted((await live.dataframe(uuid.uuid4(), both))["person_id"]) == list(range(1, 31))


async def test_cohort_without_subjects_looks_too_small(live: Service) -> None:
    answer = await live.post("/cohort/dataframe", uuid.uuid4(), "SELECT gender_source_value FROM person")
    assert (answer.status_code, answer.json()) == TOO_SMALL


async def test_long_values_are_refused_before_they_fill_the_memory(live: Service) -> None:
    longest = "x" * (16_384 - 2)  # with its quotes
    query = f"SELECT rpad('x', {len(longest)}, 'x') AS x, person_id FROM person"
    assert (await live.dataframe(uuid.uuid4(), query))["x"] == [longest] * 2000
    for length in (len(longest) + 1, 400_000):
        query = f"SELECT rpad('x', {length}) AS x, person_id FROM person WHERE person_id <= 1000"
        answer = await live.post("/cohort/dataframe", uuid.uuid4(), query)
        assert answer.status_code == 413
        assert answer.json() == {"detail": "The cohort has a value of more than 16384 bytes."}


@pytest.mark.parametrize(
    "query",
    [
        "SELECT person_id, person_source_value FROM person",
        "SELECT * FROM person",
        'SELECT person_id, 1 AS "NHS_Number" FROM person',
        "SELECT person_id, person_source_value AS harmless FROM person",
        "SELECT person_id, upper(person_source_value) AS harmless FROM person",
        "WITH p AS (SELECT person_id, person_source_value AS x FROM person) SELECT person_id, x FROM p",
        "SELECT person_id, b FROM person AS p(person_id, b)",
        "SELECT person_id, 'x' AS b FROM person UNION ALL SELECT * FROM (SELECT person_id, 'y' AS c FROM person) s",
    ],
)
async def test_direct_identifiers_are_refused_at_the_freeze_and_when_rows_are_served(
    service: Service, live: Service, query: str
) -> None:
    frozen = await service.post("/cohort/snapshot", uuid.uuid4(), query)
    served = await live.post("/cohort/dataframe", uuid.uuid4(), query)
    assert (frozen.status_code, served.status_code) == (400, 403)
    assert frozen.json() == served.json()
    assert (
        "released by row" in frozen.json()["detail"] or "identify people directly" in frozen.json()["detail"]
    )


async def test_identifiers_may_be_used_to_choose_people(live: Service) -> None:
    query = "SELECT person_id FROM person WHERE birth_datetime IS NOT NULL OR birth_datetime IS NULL"
    assert len((await live.dataframe(uuid.uuid4(), query))["person_id"]) == 2000


async def test_identifiers_are_those_of_the_setting(
    omop: OmopAccess, postgres_database: Callable[[], PostgresAccess]
) -> None:
    async with serving(
        omop, postgres_database, COHORT_ROW_LEVEL="live", COHORT_IDENTIFIER_COLUMNS="Gender_Source_Value"
    ) as service:
        answer = await service.post("/cohort/dataframe", uuid.uuid4(), ADULTS)
        assert answer.status_code == 403
        assert answer.json()["detail"].endswith("by row: gender_source_value.")
        await service.dataframe(uuid.uuid4(), "SELECT person_id, person_source_value FROM person")


async def test_live_accession_ids_are_text_and_studies_only(live: Service) -> None:
    query = "SELECT accession_id FROM image_occurrence UNION ALL SELECT 'no study'"
    answer = await live.post("/cohort/accession-ids", uuid.uuid4(), query)
    expected = live.omop_rows("SELECT accession_id FROM image_occurrence WHERE accession_id IS NOT NULL")
    assert sorted(answer.json()["accession_ids"]) == sorted(row[0] for row in expected)


async def test_live_query_without_accession_ids_is_told_so(live: Service) -> None:
    answer = await live.post("/cohort/accession-ids", uuid.uuid4(), ADULTS)
    assert (answer.status_code, answer.json()) == (
        400,
        {"detail": "Cohort query did not return an 'accession_id' column."},
    )


async def test_live_accession_ids_of_too_few_people_are_refused(live: Service) -> None:
    query = "SELECT accession_id FROM image_occurrence ORDER BY person_id LIMIT 3"
    answer = await live.post("/cohort/accession-ids", uuid.uuid4(), query)
    assert (answer.status_code, answer.json()) == TOO_SMALL


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("SELECT person_id FROM telltale", "telltale' does not exist."),
        ("SELECT person_id, telltale FROM person", "telltale' does not exist."),
        ("DELETE FROM person", "Only SELECT statements are allowed."),
    ],
)
async def test_live_queries_are_refused_as_statistics_are(live: Service, query: str, detail: str) -> None:
    for path in ("/cohort/dataframe", "/cohort"):
        answer = await live.post(path, uuid.uuid4(), query)
        assert answer.status_code == 400
        assert answer.json()["detail"].endswith(detail)
