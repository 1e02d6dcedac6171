"""No text becomes the current time on a real PostgreSQL, and casts of other values are what they were."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from flame_node_agent.cohort.guard import guard
from flame_node_agent.devstack.omop.access import OmopAccess

SPELT = [
    "('no' || 'w')",
    "('00:00to' || 'day')",
    "('to' || 'day00:00')",
    "concat('TO', 'DAY', ' 10:00')",
    "reverse('worromot')",
    "(left((1=1)::text,1)||substr((INTERVAL '1 month')::text,4,1)||substr((INTERVAL '1 day')::text,3,3))",
    "(SELECT substr(n, 2, 3) FROM (VALUES ('xnow')) AS v(n))",
    "(SELECT max(d) FROM (SELECT '2020-01-01' AS d UNION ALL SELECT substr('xtoday', 2)) AS q)",
    "substr('xtoday', 2)::varchar",
    "substr('xtoday', 2)::bpchar",
    "(CASE WHEN 1 = 1 THEN 'yester' END || 'day')",
    "(ARRAY['to' || 'day'])[1]",
    "split_part('a,to' || 'day', ',', 2)",
    "coalesce(NULL, substr('xtoday', 2))",
    "(SELECT concept_name FROM omop.concept WHERE concept_id = (SELECT min(concept_id) FROM omop.concept))",
]

EVERYDAY_CASTS = [
    "condition_start_date::date FROM condition_occurrence",
    "condition_start_date::timestamp FROM condition_occurrence",
    "condition_start_datetime::date FROM condition_occurrence",
    "date(condition_start_datetime) FROM condition_occurrence",
    "condition_start_datetime::time FROM condition_occurrence",
    "condition_start_datetime::timestamptz::date FROM condition_occurrence",
    "CAST(year_of_birth::text || '-01-01' AS date) FROM person",
    "concat(year_of_birth, ' Jan 1')::timestamp FROM person",
    "coalesce(birth_datetime, make_timestamp(year_of_birth, 1, 1, 0, 0, 0))::date FROM person",
    "max(birth_datetime)::date, min(birth_datetime::date)::timestamp FROM person",
    "birth_datetime::date, count(*) FROM person GROUP BY birth_datetime::date",
    "lag(birth_datetime) OVER (ORDER BY person_id)::date FROM person",
    "(SELECT max(condition_start_date) FROM condition_occurrence)::timestamp FROM person",
    "('infinity' || '')::date > '2020-01-01' FROM person",
    "x::date FROM generate_series('2020-01-01'::timestamp, '2020-02-01', '1 day') AS x",
]


@pytest.fixture(scope="module")
def owner(omop: OmopAccess) -> Iterator[psycopg.Connection]:
    with psycopg.connect(omop.dsn, autocommit=True) as connection:
        connection.execute("SET search_path = pg_catalog, omop")
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@pytest.mark.parametrize("text", SPELT)
def test_no_text_that_is_made_or_stored_becomes_the_current_time(
    text: str, owner: psycopg.Connection
) -> None:
    casts = [f"date({text})"]
    for kind in ("date", "timestamp", "timestamptz", "time"):
        casts += [f"({text})::{kind}", f"CAST({text} AS {kind})", f"d::{kind}"]
    query = f"SELECT {', '.join(casts)} FROM (SELECT {text} AS d) AS made"
    with owner.transaction(force_rollback=True):
        owner.execute("UPDATE omop.concept SET concept_name = 'now'")
        row = owner.execute(guard(query).sql.encode()).fetchone()
    assert row == (None,) * len(casts)


@pytest.mark.parametrize("text", SPELT)
def test_these_texts_do_mean_the_current_time(text: str, owner: psycopg.Connection) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("UPDATE omop.concept SET concept_name = 'now'")
        row = owner.execute(f"SELECT abs(({text})::date - current_date) <= 1".encode()).fetchone()
    assert row == (True,)


@pytest.mark.parametrize("query", EVERYDAY_CASTS)
def test_other_casts_have_the_same_values_and_names(query: str, owner: psycopg.Connection) -> None:
    before = owner.execute(f"SELECT {query} ORDER BY 1".encode())
    after = owner.execute(guard(f"SELECT {query} ORDER BY 1").sql.encode())
    assert [column.name for column in after.description or ()] == [
        column.name for column in before.description or ()
    ]
    assert after.fetchall() == before.fetchall()


@pytest.mark.parametrize(
    "condition",
    [
        "condition_start_date::date = '2020-01-01'",
        "condition_start_datetime::date = '2020-01-01'",
        "date(condition_start_datetime) > '2020-01-01'",
        "condition_start_datetime::timestamp > '2020-01-01'",
        "condition_start_date::timestamp > (SELECT max(birth_datetime)::timestamp FROM person)",
    ],
)
def test_casts_of_dates_are_planned_as_they_were(condition: str, owner: psycopg.Connection) -> None:
    query = f"SELECT person_id FROM condition_occurrence WHERE {condition}"
    plans = [
        owner.execute(f"EXPLAIN (VERBOSE) {statement}".encode()).fetchall()
        for statement in (query, guard(query).sql)
    ]
    assert plans[0] == plans[1]


def test_a_date_is_found_by_an_index_through_a_cast(owner: psycopg.Connection) -> None:
    query = "SELECT person_id FROM condition_occurrence WHERE condition_start_date::date = '2020-01-01'"
    with owner.transaction(force_rollback=True):
        owner.execute("CREATE INDEX by_day ON omop.condition_occurrence (condition_start_date)")
        owner.execute("SET LOCAL enable_seqscan = off")
        plan = owner.execute(f"EXPLAIN {guard(query).sql}".encode()).fetchall()
    assert "by_day" in str(plan)
