"""What the guard lets through, as it is written anew."""

from __future__ import annotations

import pytest

from flame_node_agent.cohort.guard import guard
from flame_node_agent.errors import Refused
from tests.hostile_sql.everyday import EVERYDAY


@pytest.mark.parametrize("query", EVERYDAY)
def test_an_everyday_query_passes_and_its_emission_is_stable(query: str) -> None:
    emitted = guard(query).sql
    assert guard(emitted).sql == emitted
    assert ";" not in emitted
    assert "--" not in emitted
    assert "/*" not in emitted


@pytest.mark.parametrize(
    ("query", "emitted"),
    [
        ("select Person_ID from PERSON", 'SELECT "person_id" FROM "omop"."person"'),
        ('select "Person_ID" from "Person"', 'SELECT "Person_ID" FROM "omop"."Person"'),
        ("SELECT 1;", "SELECT 1"),
        ("SELECT 1 -- a\n; -- b", "SELECT 1"),
        ("SELECT 1 /* a /* b */ ; */ + 1", "SELECT 1 + 1"),
        ("SELECT * FROM pg_class", 'SELECT * FROM "omop"."pg_class"'),
        ('SELECT \'a\\\' AS "b""c"', 'SELECT \'a\\\' AS "b""c"'),
    ],
)
def test_names_are_folded_quoted_and_pinned(query: str, emitted: str) -> None:
    assert guard(query).sql == emitted


@pytest.mark.parametrize(
    ("query", "pinned"),
    [
        ("WITH a AS (SELECT 1) SELECT * FROM a", set()),
        ("WITH a AS (SELECT * FROM a) SELECT * FROM a", {"a"}),
        ("WITH RECURSIVE a AS (SELECT 1 UNION SELECT * FROM a) SELECT * FROM a", set()),
        ("WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a, b", {"b"}),
        ("WITH RECURSIVE a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a", set()),
        ("WITH a AS (SELECT 1), b AS (SELECT * FROM a) SELECT * FROM b", set()),
        ("SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) x, a", {"a"}),
        ("WITH a AS (SELECT 1) SELECT * FROM (SELECT * FROM a) x WHERE EXISTS (SELECT 1 FROM a)", set()),
        ("WITH a AS (WITH b AS (SELECT 1) SELECT * FROM b) SELECT * FROM a, b", {"b"}),
        ("WITH a AS (SELECT 1) SELECT * FROM omop.a", {"a"}),
        ('WITH "A" AS (SELECT 1) SELECT * FROM a', {"a"}),
        ('WITH A AS (SELECT 1) SELECT * FROM a UNION SELECT * FROM "a"', set()),
    ],
)
def test_only_a_cte_that_is_visible_is_left_unpinned(query: str, pinned: set[str]) -> None:
    emitted = guard(query).sql
    assert {name for name in ("a", "b") if f'"omop"."{name}"' in emitted} == pinned


def test_the_hash_ignores_case_and_white_space_and_the_statement_does_not() -> None:
    one, other = guard("SELECT 1  WHERE 'M' = 'x'"), guard("select 1\nwhere 'm' = 'x'")
    assert one.hash == other.hash
    assert len(one.hash) == 64
    assert one.short_hash == one.hash[:12]
    assert one.sql != other.sql


def test_no_sql_is_in_the_repr() -> None:
    assert "hunter2" not in repr(guard("SELECT hunter2 FROM person WHERE hunter2 = 'hunter2'"))


def test_columns_of_table_functions_must_be_declared() -> None:
    assert guard("SELECT s.n, s.n + 1 FROM generate_series(1, 3) AS s(n)").sql
    assert guard("SELECT s.s FROM generate_series(1, 3) AS s").sql
    with pytest.raises(Refused, match="'m' does not exist"):
        guard("SELECT s.m FROM generate_series(1, 3) AS s(n)")
