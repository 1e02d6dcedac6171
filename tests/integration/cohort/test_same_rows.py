"""A statement has the same rows whenever it runs, and whatever is asked of them."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from flame_node_agent.cohort import row_level_sql
from flame_node_agent.cohort.engine import ONE_PROCESS
from flame_node_agent.cohort.guard import guard
from flame_node_agent.cohort.postgres_engine import PostgresEngine
from flame_node_agent.cohort.statistics import by_subject
from flame_node_agent.cohort.subjects import CohortShape, shape_of
from flame_node_agent.devstack.omop.access import OmopAccess

ROWS = 60_000
PARALLEL = {
    "parallel_setup_cost": "0",
    "parallel_tuple_cost": "0",
    "min_parallel_table_scan_size": "0",
    "min_parallel_index_scan_size": "0",
    "max_parallel_workers_per_gather": "4",
}

FOLLOWING_ORDER = [
    "SELECT person_id, wide FROM notes LIMIT 300",
    "SELECT person_id, wide FROM notes OFFSET 59700",
    "SELECT person_id, wide FROM notes FETCH FIRST 300 ROWS ONLY",
    "SELECT person_id, wide FROM (SELECT person_id, wide FROM notes WHERE length(wide) > 1 LIMIT 300) AS some",
    "SELECT person_id, wide FROM (SELECT *, row_number() OVER () AS n FROM notes) AS x WHERE n <= 300",
    "SELECT person_id, wide FROM (SELECT *, lag(person_id) OVER () AS l FROM notes) AS x WHERE l % 97 = 1",
    "SELECT DISTINCT ON (person_id % 300) person_id, wide FROM notes",
    "SELECT (array_agg(person_id))[1] AS person_id, min(wide) FROM notes GROUP BY length(wide)",
]


@pytest.fixture(scope="module")
def notes(omop: OmopAccess) -> Iterator[None]:
    """A wide table in another order than its index, vacuumed, so that the index alone can answer."""
    with psycopg.connect(omop.dsn, autocommit=True) as owner:
        owner.execute("CREATE TABLE omop.notes (person_id integer, wide text)")
        try:
            owner.execute(
                "INSERT INTO omop.notes SELECT 1 + (n::bigint * 7919) % 2000, repeat('x', 200 + n % 300)"
                f" FROM generate_series(1, {ROWS}) AS n"
            )
            owner.execute("CREATE INDEX notes_person ON omop.notes (person_id)")
            owner.execute("VACUUM ANALYZE omop.notes")
            owner.execute("GRANT SELECT ON omop.notes TO data_analyst_reader")
            yield
        finally:
            owner.execute("DROP TABLE omop.notes")


@pytest.fixture(params=["as it is", "parallel at no cost"])
def engine(request: pytest.FixtureRequest, omop: OmopAccess, notes: None) -> Iterator[PostgresEngine]:
    settings = {} if request.param == "as it is" else PARALLEL
    with psycopg.connect(omop.dsn, autocommit=True) as owner:
        try:
            for name, value in settings.items():
                owner.execute(f"ALTER ROLE data_analyst_reader SET {name} = '{value}'")
            yield PostgresEngine.to(omop.reader_dsn, timeout_seconds=60, parallel=2)
        finally:
            for name in settings:
                owner.execute(f"ALTER ROLE data_analyst_reader RESET {name}")


async def counted(engine: PostgresEngine, shape: CohortShape, *columns: int) -> list[int]:
    """The ids of the rows, with these columns counted."""
    row = await engine.aggregate(
        "SELECT array_agg(person_id ORDER BY person_id) AS ids FROM"
        f" (SELECT person_id FROM ({by_subject(shape, columns)}) AS s, generate_series(1, s.n)) AS rows"
    )
    ids: list[int] = row["ids"]
    return ids


@pytest.mark.parametrize("query", FOLLOWING_ORDER)
async def test_telling_comparing_and_freezing_have_the_same_rows(engine: PostgresEngine, query: str) -> None:
    statement = guard(query).sql
    shape = shape_of(statement, await engine.describe(statement))
    told = await counted(engine, shape, 0, 1)
    for _ in range(5):
        assert await counted(engine, shape) == told
        assert await counted(engine, shape, 0, 1) == told
    async with engine.rows(row_level_sql.members(shape)) as found:
        frozen = [value async for batch in found.batches for what, value in batch if what == "person"]
    assert sorted(map(int, frozen)) == sorted(set(told))


async def test_a_statement_can_ask_for_one_process(engine: PostgresEngine) -> None:
    asked = "SELECT current_setting('max_parallel_workers_per_gather') AS workers"
    assert (await engine.aggregate(f"{ONE_PROCESS} {asked}"))["workers"] == "0"
    assert (await engine.aggregate(asked))["workers"] != "0"
