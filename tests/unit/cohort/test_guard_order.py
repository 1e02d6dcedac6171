"""Which statements depend on the order in which tables are read."""

from __future__ import annotations

import pytest

from flame_node_agent.cohort.engine import ONE_PROCESS, Column
from flame_node_agent.cohort.guard import guard
from flame_node_agent.cohort.guard.order import follows_order
from flame_node_agent.cohort.subjects import shape_of


@pytest.mark.parametrize(
    "query",
    [
        "SELECT person_id FROM person LIMIT 5",
        "SELECT person_id FROM person ORDER BY person_id OFFSET 5",
        "SELECT person_id FROM person FETCH FIRST 5 ROWS ONLY",
        "SELECT DISTINCT ON (person_id) person_id, visit_concept_id FROM visit_occurrence",
        "SELECT person_id, row_number() OVER () FROM person",
        "SELECT person_id, lag(person_id) OVER w FROM person WINDOW w AS (ORDER BY year_of_birth)",
        "SELECT person_id, count(*) OVER (ORDER BY year_of_birth ROWS 1 PRECEDING) FROM person",
        "SELECT person_id, sum(value_as_number) FROM measurement GROUP BY 1",
        "SELECT person_id FROM measurement GROUP BY 1 HAVING avg(value_as_number) > 1",
        "SELECT person_id, (array_agg(value_as_number))[1] FROM measurement GROUP BY 1",
        "SELECT person_id, string_agg(unit_source_value, ',' ORDER BY 1) FROM measurement GROUP BY 1",
        "SELECT any_value(person_id) AS person_id FROM person",
        "SELECT person_id FROM person WHERE regr_slope(1, 2) > 0",
        "SELECT person_id FROM person WHERE year_of_birth = (SELECT year_of_birth FROM person LIMIT 1)",
        "WITH a AS (SELECT person_id FROM person LIMIT 5) SELECT person_id FROM a",
    ],
)
def test_rows_that_follow_an_order(query: str) -> None:
    assert follows_order(guard(query).sql)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM person",
        "SELECT DISTINCT person_id FROM person ORDER BY 1",
        "SELECT p.person_id FROM person p JOIN visit_occurrence v USING (person_id) WHERE year_of_birth < 1950",
        "SELECT person_id, count(*), min(visit_start_date), max(visit_end_date) FROM visit_occurrence GROUP BY 1",
        "SELECT person_id, bool_or(year_of_birth > 1950) FROM person GROUP BY CUBE (1) HAVING grouping(person_id) = 0",
        "SELECT person_id AS \"limit\", 'limit' AS \"sum(x)\", 'it''s over' FROM person UNION SELECT 1, '', 'mode'",
        "SELECT person_id FROM person INTERSECT SELECT person_id FROM visit_occurrence",
        "SELECT DISTINCT birth_datetime::date, person_id FROM person WHERE person_source_value LIKE '%offset%'",
    ],
)
def test_rows_that_do_not(query: str) -> None:
    assert not follows_order(guard(query).sql)


def test_only_statements_that_follow_an_order_are_planned_by_themselves() -> None:
    columns = [Column("person_id", True), Column("x", False)]
    free = shape_of('SELECT "person_id", "x" FROM "omop"."t"', columns)
    assert free.derived_table == '(SELECT "person_id", "x" FROM "omop"."t"\n) AS cohort(c0, c1)'
    bound = shape_of('SELECT "person_id", "x" FROM "omop"."t" LIMIT 5', columns)
    assert bound.derived_table == (
        f'({ONE_PROCESS} WITH found AS MATERIALIZED (SELECT "person_id", "x" FROM "omop"."t" LIMIT 5\n)'
        " SELECT * FROM found) AS cohort(c0, c1)"
    )
