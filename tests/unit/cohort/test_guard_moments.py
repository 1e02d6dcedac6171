"""The current time in a query is the beginning of a day, written out; other ways to say it are refused."""

from __future__ import annotations

from datetime import date

import pytest

from flame_node_agent.cohort.guard import guard, pinned
from flame_node_agent.errors import Refused

DAY = date(2026, 3, 1)

MADE = [
    "person_source_value",
    "(year_of_birth::text || '-01-01')",
    "('no' || 'w')",
    "reverse('yadot')",
    "(left((1=1)::text,1)||substr((INTERVAL '1 month')::text,4,1)||substr((INTERVAL '1 day')::text,3,3))",
    "(SELECT substr(concept_name,2,3) FROM concept WHERE concept_id = 1)",
    "(SELECT d FROM (SELECT '2020-01-01' AS d UNION ALL SELECT substr('xtoday',2)) q LIMIT 1)",
    "coalesce(birth_datetime, '1900-01-01')",
    "max(person_source_value)",
    "(CASE WHEN birth_datetime::date > '2000-01-01' THEN 'a' ELSE 'b' END)",
]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 FROM person WHERE birth_datetime < 'now'",
        "SELECT 1 FROM person WHERE birth_datetime < ' Today, 12:00'",
        "SELECT 'NOW()'::timestamp",
        "SELECT '%now%'::timestamp",
        "SELECT CAST('yesterday' AS date)",
        "SELECT 1 FROM person WHERE '00:00today'::timestamp > birth_datetime",
        "SELECT 'today00:00'::timestamp",
        "SELECT 'now0:0'::timestamp",
        "SELECT 1 FROM condition_occurrence WHERE condition_start_date < 'today00:00'",
        "SELECT 1 FROM condition_occurrence WHERE condition_start_date = ANY('{2020-01-01,today}')",
        r"SELECT 1 FROM condition_occurrence WHERE condition_start_date = ANY('{to\day}')",
        r"SELECT ('{\"t\oday\"}'::date[])[1]",
        "SELECT ARRAY['2020-01-01', 'Now']::timestamp[]",
    ],
)
def test_texts_that_mean_the_current_time_are_refused(query: str) -> None:
    with pytest.raises(Refused, match="CURRENT_DATE"):
        guard(query)


@pytest.mark.parametrize(
    "cast",
    [
        "{}::date",
        "{}::timestamp",
        "{}::timestamp(3)",
        "{}::timestamptz",
        "{}::time",
        "CAST({} AS date)",
        "date({})",
    ],
)
@pytest.mark.parametrize("value", MADE)
def test_a_text_that_is_made_or_stored_is_looked_at_when_the_query_runs(cast: str, value: str) -> None:
    emitted = guard(f"SELECT {cast.format(value)} FROM person").sql
    assert "~* 'now|today|tomorrow|yesterday' THEN NULL ELSE" in emitted
    assert guard(emitted).sql == emitted


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        ("SELECT ARRAY['no' || 'w']::timestamp[]", "written out"),
        ("SELECT string_to_array('2020-01-01', ',')::date[]", "written out"),
        (r"SELECT ('{to\' || 'day}')::date[]", "written out"),
        ("SELECT unnest(ARRAY['2020-01-01'])::date", "into FROM"),
        ("SELECT TIME '12:00' AT TIME ZONE 'Europe/Berlin'", "before AT TIME ZONE"),
        ("SELECT t AT TIME ZONE 'CET' FROM (SELECT birth_datetime::time AS t FROM person) s", "AT TIME ZONE"),
        ("SELECT " + ", ".join(["birth_datetime::date"] * 200) + " FROM person", "Too many casts"),
        ("SELECT concat(" + "ab, " * 2000 + "ab)::date FROM person", "too long"),
        ("SELECT timestamp(a) FROM person", "not an allowed function"),
        ("SELECT timestamptz(a) FROM person", "not an allowed function"),
        ("SELECT time(a) FROM person", "not an allowed function"),
        ("SELECT a::timetz FROM person", "Casts are allowed"),
    ],
)
def test_casts_that_cannot_be_looked_at_are_refused(query: str, refusal: str) -> None:
    with pytest.raises(Refused, match=refusal):
        guard(query)


@pytest.mark.parametrize(
    "cast",
    [
        "'2020-01-01'::date",
        "('1 Jan 1900')::timestamp",
        "NULL::date",
        "now()::date",
        "date_trunc('month', birth_datetime)::date",
        "(birth_datetime + interval '1 month')::date",
        "to_date(person_source_value, 'YYYYMMDD')::timestamp",
        "ARRAY['2020-01-01', NULL]::date[]",
        "generate_series('2020-01-01'::timestamp, '2021-01-01', '1 month')::date",
    ],
)
def test_what_is_no_text_by_its_form_is_cast_as_it_is(cast: str) -> None:
    assert "CASE" not in guard(f"SELECT {cast} FROM person").sql


def test_a_cast_that_looks_like_one_that_was_written_is_written_again() -> None:
    forged = (
        "SELECT CAST(CASE WHEN COALESCE(CASE WHEN FALSE THEN 1 END, 2) <> 3 AND CONCAT('a')"
        " ~* 'now|today|tomorrow|yesterday' THEN NULL ELSE person_source_value END AS date) FROM person"
    )
    assert guard(forged).sql == guard("SELECT person_source_value::date FROM person").sql


@pytest.mark.parametrize(
    "query",
    [
        "SELECT (year_of_birth || '-01-01')::date FROM person",
        "SELECT (to_char(birth_datetime, 'YYYY-MM') || '-01')::date FROM person",
        "SELECT split_part(person_source_value, 'T', 1)::date FROM person",
        "SELECT date_trunc('month', birth_datetime)::date FROM person",
        "SELECT (birth_datetime AT TIME ZONE 'UTC')::date FROM person",
        "SELECT (birth_datetime::timestamp AT TIME ZONE 'Europe/Berlin')::time FROM person",
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
