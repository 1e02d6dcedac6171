"""The current time in a query is the beginning of a day, written out; other ways to say it are refused."""

from __future__ import annotations

from datetime import date

import pytest

from flame_node_agent.cohort.guard import guard, pinned
from flame_node_agent.errors import Refused

DAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 FROM person WHERE birth_datetime < 'now'",
        "SELECT 1 FROM person WHERE birth_datetime < ' Today, 12:00'",
        "SELECT 'NOW()'::timestamp",
        "SELECT '%now%'::timestamp",
        "SELECT CAST('yesterday' AS date)",
        "SELECT ('no' || 'w')::timestamp",
        "SELECT date('to' || 'day')",
        "SELECT reverse('won')::timestamptz",
        "SELECT ARRAY['no' || 'w']::timestamp[]",
        "SELECT (CASE WHEN 1 = 1 THEN 'no' END || 'w')::time",
        "SELECT x::date FROM (SELECT 'to' || 'day' AS x) s",
        "SELECT a::date FROM unnest(ARRAY['no']) AS a",
        "SELECT v.a::date FROM (VALUES ('no')) AS v(a)",
        "SELECT v.column1::date FROM (VALUES ('no')) AS v",
        "SELECT s.concat::date FROM (SELECT concat('no', 'w')) AS s",
        "SELECT s.\"?column?\"::date FROM (SELECT 'no' || 'w') AS s",
        "WITH c(q) AS (SELECT 'no' || 'w') SELECT q::timestamp FROM c",
        "WITH c AS (SELECT 'to' AS a), d AS (SELECT a || 'day' AS b FROM c) SELECT b::date FROM d",
    ],
)
def test_texts_that_mean_the_current_time_are_refused(query: str) -> None:
    with pytest.raises(Refused, match=r"CURRENT_DATE|put together"):
        guard(query)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT (year_of_birth || '-01-01')::date FROM person",
        "SELECT (to_char(birth_datetime, 'YYYY-MM') || '-01')::date FROM person",
        "SELECT split_part(person_source_value, 'T', 1)::date FROM person",
        "SELECT date_trunc('month', birth_datetime)::date FROM person",
        "SELECT (birth_datetime AT TIME ZONE 'UTC')::date FROM person",
        "SELECT (birth_datetime + interval '1 month')::date FROM person",
        "SELECT coalesce(birth_datetime, '1 Jan 1900')::text, '1 Jan 1900'::date FROM person",
        "SELECT (CASE WHEN gender_source_value = 'M' THEN birth_datetime END)::date FROM person",
        "SELECT d::date FROM (SELECT birth_datetime AS d, 'abc' AS t FROM person WHERE 'x' <> 'y') AS s",
        "SELECT 1 FROM concept WHERE concept_name ILIKE '%now%' OR concept_name = 'Known'",
    ],
)
def test_everyday_dates_are_allowed(query: str) -> None:
    guard(query)


def test_the_current_time_is_the_beginning_of_the_day() -> None:
    query = guard(
        "SELECT current_date, now(), current_timestamp(3), localtimestamp,"
        " age(birth_datetime), age(now(), birth_datetime) FROM person"
    )
    moment = "CAST('2026-03-01 00:00:00+00' AS TIMESTAMPTZ)"
    since = f'AGE({moment}, "birth_datetime")'
    assert pinned(query.sql, DAY) == (
        f"SELECT CAST('2026-03-01' AS DATE), {moment}, {moment}, CAST('2026-03-01 00:00:00' AS TIMESTAMP),"
        f' {since}, {since} FROM "omop"."person"'
    )


def test_nothing_else_is_changed() -> None:
    query = guard(
        "SELECT person_id AS \"CURRENT_DATE\", 'age', 'CURRENT_DATE' FROM person WHERE year_of_birth % 2 = 0"
    )
    assert pinned(query.sql, DAY) == query.sql
    assert guard(pinned(query.sql, DAY)).sql == query.sql


def test_what_is_written_passes_the_guard() -> None:
    query = guard("SELECT age(birth_datetime) FROM person WHERE birth_datetime < now() - interval '18 years'")
    written = pinned(query.sql, DAY)
    assert guard(written).sql == written
