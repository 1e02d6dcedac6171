"""What the guard emits, on a real PostgreSQL: it means what was asked, and is what was checked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pytest
from psycopg import sql

from flame_node_agent.cohort.guard import guard
from flame_node_agent.cohort.guard.functions import FUNCTIONS, words
from flame_node_agent.cohort.guard.rows import ROW_FUNCTIONS
from flame_node_agent.devstack.omop.access import OmopAccess
from flame_node_agent.errors import Refused
from tests.hostile_sql.everyday import EVERYDAY

KEYWORD_CALLS = {"coalesce", "extract", "greatest", "grouping", "least", "nullif", "trim"}
"""Functions of the grammar: they have no row in pg_proc, or one of their own."""

NAMED_BY_POSTGRES = words("""
    bpchar float4 float8 int2 int4 int8 interval like_escape numeric overlaps similar_to_escape text time timestamp
    timestamptz timezone varchar
""")
"""What PostgreSQL itself makes of casts, AT TIME ZONE, OVERLAPS, SIMILAR TO and ESCAPE."""


@pytest.fixture(scope="module")
def reader(omop: OmopAccess) -> Iterator[psycopg.Connection]:
    with psycopg.connect(omop.reader_dsn, autocommit=True) as connection:
        connection.execute("SET search_path = omop")
        yield connection


@pytest.fixture(scope="module")
def owner(omop: OmopAccess) -> Iterator[psycopg.Connection]:
    with psycopg.connect(omop.dsn, autocommit=True) as connection:
        connection.execute("SET search_path = ''")
        yield connection


def rows(connection: psycopg.Connection, statement: str) -> tuple[list[str], Counter[str]]:
    with connection.cursor() as cursor:
        cursor.execute(statement.encode())
        return [column.name for column in cursor.description or ()], Counter(map(_comparable, cursor))


def _comparable(row: tuple[object, ...]) -> str:
    """date_part() is emitted as extract(), which gives the same number as numeric instead of double precision."""
    return repr([float(value) if isinstance(value, Decimal) else value for value in row])


@pytest.mark.parametrize("query", EVERYDAY)
def test_an_everyday_query_gives_the_same_rows_after_the_guard(
    query: str, reader: psycopg.Connection
) -> None:
    emitted = guard(query).sql
    names, wanted = rows(reader, query)
    again, found = rows(reader, emitted)
    assert found == wanted
    assert len(again) == len(names)
    assert rows(reader, f"SELECT * FROM ({emitted}) AS cohort")[1].total() == wanted.total()


def test_there_are_at_least_sixty_everyday_queries() -> None:
    assert len(set(EVERYDAY)) >= 60


@pytest.mark.parametrize("query", EVERYDAY)
def test_postgres_sees_no_table_function_or_column_that_was_not_checked(
    query: str, owner: psycopg.Connection
) -> None:
    """PostgreSQL keeps the analysed tree of a view: tables, columns and functions by number, whatever the spelling."""
    with owner.transaction(force_rollback=True):
        emitted = guard(query).sql
        columns = [column.name for column in owner.execute(f"{emitted}".encode()).description or ()]
        aliases = sql.SQL(", ").join(sql.Identifier(f"c{number}") for number in range(len(columns)))
        owner.execute(sql.SQL("CREATE VIEW omop.probe ({}) AS {}").format(aliases, sql.SQL(emitted)))  # type: ignore[arg-type]  # the text under test
        found = owner.execute(
            "SELECT ev_action::text FROM pg_rewrite WHERE ev_class = 'omop.probe'::regclass"
        ).fetchone()
        assert found is not None
        tree = found[0]
        relations = {int(number) for number in re.findall(r":relid (\d+)", tree)} - {0}
        schemas = owner.execute(
            "SELECT DISTINCT relnamespace::regnamespace::text FROM pg_class WHERE oid = ANY(%s)",
            [list(relations)],
        ).fetchall()
        assert {schema for (schema,) in schemas} <= {"omop"}
        assert not re.findall(r":varattno -\d+", tree), "a system column"
        called = {int(number) for number in re.findall(r":(?:funcid|aggfnoid|winfnoid) (\d+)", tree)}
        names = owner.execute("SELECT proname FROM pg_proc WHERE oid = ANY(%s)", [list(called)]).fetchall()
        assert {name for (name,) in names} <= FUNCTIONS | NAMED_BY_POSTGRES


def test_every_allowed_function_is_built_in_and_answers_the_same_each_time(owner: psycopg.Connection) -> None:
    known = owner.execute(
        "SELECT proname, provolatile, prosecdef, l.lanname FROM pg_proc p JOIN pg_language l ON l.oid = prolang"
        " WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = ANY(%s)",
        [list(FUNCTIONS)],
    ).fetchall()
    assert {name for name, *_ in known} | KEYWORD_CALLS >= FUNCTIONS
    for name, volatility, definer, language in known:
        assert volatility in "is", name
        assert not definer, name
        assert language == "internal" or (language == "sql" and volatility in "is"), name


def test_no_function_that_takes_a_row_can_be_called_like_a_column(owner: psycopg.Connection) -> None:
    found = owner.execute(
        """
        SELECT DISTINCT proname FROM pg_proc
        WHERE pronargs - pronargdefaults <= 1 AND pronargs >= 1 AND pronamespace = 'pg_catalog'::regnamespace
          AND (proargtypes[0] IN ('record'::regtype, '"any"'::regtype, 'anyelement'::regtype, 'anynonarray'::regtype,
               'anycompatible'::regtype, 'anycompatiblenonarray'::regtype)
               OR provariadic IN ('"any"'::regtype, 'anyelement'::regtype))
        """
    ).fetchall()
    assert len(found) > 15
    assert {name for (name,) in found} <= ROW_FUNCTIONS
    for (name,) in found:
        with pytest.raises(Refused) as refusal:
            guard(f"SELECT p.{name} FROM person p")
        assert refusal.value.status == 400


@pytest.mark.parametrize(
    "source",
    [
        "(SELECT -1.0 AS a) AS x",
        "(VALUES (-1.0)) AS x",
        "(VALUES (-1.0)) AS x(a)",
        "LATERAL (SELECT -1.0 AS a) AS x",
        "(SELECT generate_series(1, 2) AS a) AS x",
        "(SELECT unnest(ARRAY[1])) AS x",
        "person AS x",
    ],
)
def test_only_table_functions_make_columns_of_functions_of_values(
    source: str, reader: psycopg.Connection
) -> None:
    """abs() stands for any function of a value: what the guard leaves to PostgreSQL, PostgreSQL refuses."""
    assert reader.execute("SELECT x.abs FROM generate_series(-1, -1) AS x").fetchone() == (1,)
    with pytest.raises(psycopg.errors.UndefinedColumn):
        reader.execute(f"SELECT x.abs FROM {source}".encode())
