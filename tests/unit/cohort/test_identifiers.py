"""Columns that identify people directly: what is a way to give them by row, and what only chooses rows."""

from __future__ import annotations

import pytest

from flame_node_agent.cohort.guard import guard
from flame_node_agent.cohort.identifiers import DirectIdentifiers
from flame_node_agent.errors import Refused

IDENTIFIERS = DirectIdentifiers(("person_source_value", "birth_datetime"))


def check(query: str) -> None:
    IDENTIFIERS.check(("person_id", "x"), guard(query).sql, status=403)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT p.person_id, v.x FROM person p CROSS JOIN LATERAL (VALUES (p.person_source_value)) AS v(x)",
        "SELECT p.person_id, u.x FROM person p CROSS JOIN LATERAL unnest(ARRAY[p.person_source_value]) AS u(x)",
        "SELECT p.person_id, u.x FROM person p, unnest(ARRAY[p.person_source_value]) AS u(x)",
        (
            "SELECT p.person_id, g.x FROM person p,"
            " generate_series(p.birth_datetime, p.birth_datetime, interval '1 day') AS g(x)"
        ),
        "SELECT p.person_id, (SELECT v.x FROM (VALUES (p.person_source_value)) v(x)) AS x FROM person p",
        "SELECT p.person_id, s.x FROM person p CROSS JOIN LATERAL (SELECT p.person_source_value AS x) s",
        "SELECT p.person_id, first_value(1) OVER (ORDER BY p.person_source_value) AS x FROM person p",
        "SELECT p.person_id, array_agg(1 ORDER BY p.birth_datetime) AS x FROM person p GROUP BY 1",
        (
            "WITH a AS (SELECT * FROM person p, LATERAL (VALUES (p.person_source_value)) AS v(x))"
            " SELECT person_id, x FROM a"
        ),
        (
            "SELECT person_id, x FROM person JOIN (VALUES ('P1', 1)) AS v(person_source_value, x)"
            " USING (person_source_value)"
        ),
    ],
)
def test_no_way_of_taking_a_value_hides_an_identifier(query: str) -> None:
    with pytest.raises(Refused) as refused:
        check(query)
    assert refused.value.status == 403
    assert "identify people directly" in refused.value.detail


@pytest.mark.parametrize(
    "query",
    [
        "SELECT j.a AS person_id, j.c AS x FROM (person p CROSS JOIN concept c) AS j(a, b, c)",
        "SELECT a AS person_id, b AS x FROM (SELECT p.* FROM person p) AS z(a, b)",
        "WITH z(a, b) AS (SELECT * FROM person) SELECT a AS person_id, b AS x FROM z",
        "WITH z AS (SELECT * FROM person) SELECT y.a AS person_id, y.b AS x FROM z AS y(a, b)",
        "SELECT p.person_id, l.b AS x FROM person p CROSS JOIN LATERAL (SELECT q.* FROM person q) AS l(a, b)",
    ],
)
def test_columns_that_are_renamed_without_being_named_are_refused(query: str) -> None:
    with pytest.raises(Refused, match="only when the query names each"):
        check(query)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT person_id FROM person WHERE birth_datetime < '1980-01-01' ORDER BY birth_datetime",
        (
            "SELECT p.person_id, count(*) AS x FROM person p JOIN visit_occurrence v ON v.person_id = p.person_id"
            " AND v.visit_start_date > p.birth_datetime GROUP BY p.person_id, p.birth_datetime"
            " HAVING max(p.birth_datetime) < '1980-01-01'"
        ),
        "SELECT person_id, g.x FROM person, generate_series(1, 2) AS g(x)",
        "SELECT v.person_id, v.x FROM (VALUES (1, 2)) AS v(person_id, x)",
        (
            "WITH a(person_id, x) AS (SELECT person_id, count(*) FROM visit_occurrence GROUP BY 1)"
            " SELECT person_id, x FROM a"
        ),
    ],
)
def test_choosing_rows_by_an_identifier_and_naming_other_columns_is_allowed(query: str) -> None:
    check(query)
