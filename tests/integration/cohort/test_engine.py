"""Statements on a real PostgreSQL: read-only, bounded, stopped when nobody waits any more, and with fixed errors."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from flame_node_agent.cohort.engine import BATCH_ROWS, Column
from flame_node_agent.cohort.postgres_engine import PostgresEngine
from flame_node_agent.config.data_access import DataAccessSettings
from flame_node_agent.devstack.omop.access import OmopAccess
from flame_node_agent.devstack.ports import free_ports
from flame_node_agent.errors import Busy, Refused

SLOW = "SELECT count(*) AS n FROM generate_series(1, 100000) AS a, generate_series(1, 100000) AS b"


async def refused(engine: PostgresEngine, sql: str) -> Refused:
    with pytest.raises(Refused) as found:
        await engine.aggregate(sql)
    return found.value


def running(omop: OmopAccess, marker: str) -> int:
    """How many statements with ``marker`` the server works on."""
    with psycopg.connect(omop.dsn, autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
            " AND position(%s in query) > 0",
            [marker],
        ).fetchone()
    assert row is not None
    return int(row[0])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.05)


async def test_columns_are_described_without_reading_a_row(engine: PostgresEngine) -> None:
    columns = await engine.describe(
        "SELECT person_id, gender_source_value AS sex, 1 / (person_id - person_id) AS never FROM omop.person"
    )
    assert columns == (Column("person_id", True), Column("sex", False), Column("never", True))
    assert await engine.columns("SELECT 1 AS a, 2 AS a ORDER BY 1 LIMIT 5") == ("a", "a")


async def test_one_row_is_given_by_name(engine: PostgresEngine) -> None:
    assert await engine.aggregate("SELECT $1::int + 1 AS more, '%s' AS sign", [41]) == {
        "more": 42,
        "sign": "%s",
    }


async def test_rows_come_in_batches(engine: PostgresEngine) -> None:
    async with engine.rows("SELECT number, 'x' AS x FROM generate_series(1, 4500) AS number") as rows:
        assert rows.columns == ("number", "x")
        batches = [batch async for batch in rows.batches]
    assert max(map(len, batches)) <= BATCH_ROWS
    assert [number for batch in batches for number, _ in batch] == list(range(1, 4501))


async def test_memory_stays_flat_however_many_rows_are_read(engine: PostgresEngine) -> None:
    wide = "SELECT number, repeat('x', 1000) AS text FROM generate_series(1, {}) AS number"
    peaks = []
    for number in (5_000, 60_000):
        tracemalloc.start()
        try:
            async with engine.rows(wide.format(number)) as rows:
                seen = sum([len(batch) async for batch in rows.batches])
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert seen == number
    assert peaks[1] < peaks[0] * 1.5


@pytest.mark.parametrize(
    ("sql", "status", "detail"),
    [
        ("SELECT * FROM omop.nowhere", 400, "The table 'omop.nowhere' does not exist."),
        ("SELECT nothing FROM omop.person", 400, "The column 'nothing' does not exist."),
        ("SELECT person.nothing FROM omop.person", 400, "The column 'person.nothing' does not exist."),
        ("SELECT 1 / (person_id - person_id) FROM omop.person", 500, "query_failed"),
        ("SELECT 'a secret'::int", 500, "query_failed"),
        ("CREATE TABLE omop.mine (id int)", 500, "query_failed"),
        ("SELECT 1 AS a; SELECT 2 AS b", 500, "query_failed"),
        ("SELECT * FROM pg_catalog.pg_authid", 500, "query_failed"),
    ],
)
async def test_errors_have_fixed_texts_without_values(
    engine: PostgresEngine, sql: str, status: int, detail: str
) -> None:
    error = await refused(engine, sql)
    assert (error.status, error.detail) == (status, detail)
    assert error.__cause__ is None
    assert error.__suppress_context__


async def test_error_among_rows_has_the_same_text(engine: PostgresEngine) -> None:
    with pytest.raises(Refused, match="query_failed"):
        async with engine.rows("SELECT 1 / (500 - n) AS x FROM generate_series(1, 1000) AS n") as rows:
            async for _ in rows.batches:
                pass


async def test_statement_that_takes_too_long_is_stopped(omop: OmopAccess) -> None:
    hasty = PostgresEngine.to(omop.reader_dsn, timeout_seconds=0.2, parallel=1)
    error = await refused(hasty, SLOW)
    assert (error.status, error.detail) == (500, "query_timeout")


async def test_statements_cannot_write_even_where_the_role_could(omop: OmopAccess) -> None:
    engine = PostgresEngine.to(omop.dsn, timeout_seconds=60, parallel=1)
    for sql in (
        "DELETE FROM omop.person",
        "SELECT set_config('transaction_read_only', 'off', true)::text, 1",
    ):
        with suppress(Refused):
            await engine.aggregate(sql)
    kept = await engine.aggregate("SELECT count(*) AS n FROM omop.person")
    assert kept["n"] == 2000
    error = await refused(
        engine, "WITH gone AS (DELETE FROM omop.person RETURNING 1) SELECT count(*) AS n FROM gone"
    )
    assert error.detail == "query_failed"


async def test_statement_ends_in_the_database_when_its_caller_is_cancelled(
    omop: OmopAccess, engine: PostgresEngine
) -> None:
    marker = "/* cancelled one */"
    waiting = asyncio.create_task(engine.aggregate(f"{SLOW} {marker}"))
    await until(lambda: running(omop, marker) == 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await until(lambda: running(omop, marker) == 0)
    assert (await engine.aggregate("SELECT 1 AS one"))["one"] == 1


async def test_reading_ends_in_the_database_when_its_reader_is_cancelled(
    omop: OmopAccess, engine: PostgresEngine
) -> None:
    marker = "/* reader gone */"

    async def read() -> None:
        slow = (
            f"SELECT count(*) AS n FROM generate_series(1, 100000) a, generate_series(1, 100000) b {marker}"
        )
        async with engine.rows(slow) as rows:
            async for _ in rows.batches:
                pass

    reading = asyncio.create_task(read())
    await until(lambda: running(omop, marker) == 1 or running(omop, "FETCH") == 1)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await until(lambda: running(omop, marker) == 0 and running(omop, "FETCH") == 0)


async def test_only_so_many_statements_run_at_once_and_others_wait(omop: OmopAccess) -> None:
    engine = PostgresEngine.to(omop.reader_dsn, timeout_seconds=60, parallel=2)
    marker = "/* in turn */"
    running_tasks = [asyncio.create_task(engine.aggregate(f"{SLOW} {marker}")) for _ in range(2)]
    await until(lambda: running(omop, marker) == 2)
    third = asyncio.create_task(engine.aggregate("SELECT 1 AS one"))
    done, _ = await asyncio.wait([third], timeout=0.5)
    assert not done
    running_tasks[0].cancel()
    async with asyncio.timeout(60):
        assert (await third)["one"] == 1
    running_tasks[1].cancel()
    await asyncio.gather(*running_tasks, return_exceptions=True)


async def test_readers_who_take_their_time_leave_a_turn_for_statistics(omop: OmopAccess) -> None:
    engine = PostgresEngine.to(omop.reader_dsn, timeout_seconds=60, parallel=2)
    slow = asyncio.Event()

    async def read() -> None:
        async with engine.rows("SELECT generate_series(1, 100000)") as rows:
            await anext(aiter(rows.batches))
            await slow.wait()

    readers = [asyncio.create_task(read()) for _ in range(5)]
    async with asyncio.timeout(30):
        assert await engine.aggregate("SELECT 1 AS one") == {"one": 1}
    slow.set()
    await asyncio.gather(*readers)


async def test_waiting_for_a_turn_ends_in_time(omop: OmopAccess) -> None:
    engine = PostgresEngine.to(omop.reader_dsn, timeout_seconds=0.3, parallel=1)
    async with engine.turns:
        error = await refused(engine, "SELECT 1 AS one")
    assert (error.status, error.detail) == (500, "query_timeout")


async def test_waiting_caller_that_leaves_takes_no_turn_along(omop: OmopAccess) -> None:
    engine = PostgresEngine.to(omop.reader_dsn, timeout_seconds=60, parallel=1)
    async with engine.turns:
        waiting = asyncio.create_task(engine.aggregate("SELECT 1 AS one"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(60):
        assert (await engine.aggregate("SELECT 1 AS one"))["one"] == 1


async def test_database_that_is_away_is_told_as_busy(omop: OmopAccess) -> None:
    away = PostgresEngine.to(
        make_conninfo(omop.reader_dsn, port=free_ports(1)[0]), timeout_seconds=60, parallel=1
    )
    for call in (away.check, lambda: away.columns("SELECT 1"), lambda: away.aggregate("SELECT 1 AS one")):
        with pytest.raises(Busy) as found:
            await call()
        assert (found.value.status, found.value.detail) == (503, "query_failed")
        assert "Retry-After" in found.value.headers


async def test_connection_that_breaks_is_told_as_busy(omop: OmopAccess, engine: PostgresEngine) -> None:
    marker = "/* to be broken */"
    waiting = asyncio.create_task(engine.aggregate(f"{SLOW} {marker}"))
    await until(lambda: running(omop, marker) == 1)
    with psycopg.connect(omop.dsn, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE position(%s in query) > 0"
            " AND pid <> pg_backend_pid()",
            [marker],
        )
    with pytest.raises(Busy):
        await waiting


async def test_wrong_password_is_told_as_busy_and_not_shown(omop: OmopAccess) -> None:
    wrong = PostgresEngine.to(
        make_conninfo(omop.reader_dsn, password="not-the-password"), timeout_seconds=60, parallel=1
    )
    with pytest.raises(Busy) as found:
        await wrong.aggregate("SELECT 1 AS one")
    assert "password" not in str(found.value)


async def test_settings_lead_to_the_database(data_access_settings: DataAccessSettings) -> None:
    engine = PostgresEngine.of(data_access_settings)
    await engine.check()
    row = await engine.aggregate(
        "SELECT current_user::text AS role, current_setting('transaction_read_only') AS readonly,"
        " current_setting('statement_timeout') AS time_out, current_setting('search_path') AS path"
    )
    assert row == {
        "role": "data_analyst_reader",
        "readonly": "on",
        "time_out": "280s",
        "path": "pg_catalog,omop,pg_temp",
    }
    assert data_access_settings.data_access_postgres_password.get_secret_value() not in repr(engine)


async def test_settings_of_the_database_do_not_change_what_a_statement_means(omop: OmopAccess) -> None:
    """As set for a role by ALTER ROLE, or by PGOPTIONS: all of these may be set without being superuser."""
    hostile = {
        "standard_conforming_strings": "off",
        "transform_null_equals": "on",
        "DateStyle": "SQL, DMY",
        "TimeZone": "Asia/Tokyo",
        "IntervalStyle": "sql_standard",
        "client_encoding": "SJIS",
        "synchronize_seqscans": "on",
    }
    with psycopg.connect(omop.dsn, autocommit=True) as owner:
        try:
            for name, value in hostile.items():
                owner.execute(f"ALTER ROLE data_analyst_reader SET {name} = '{value}'")
            found = await PostgresEngine.to(omop.reader_dsn, timeout_seconds=20, parallel=1).aggregate(
                r"SELECT '\' AS backslash, NULL = NULL AS unknown, '01/02/2020'::date::text AS day,"
                " '2020-01-01 00:00:00+00'::timestamptz::text AS midnight, 'é' AS letter,"
                " current_setting('synchronize_seqscans') AS seqscans, current_setting('IntervalStyle') AS style"
            )
        finally:
            for name in hostile:
                owner.execute(f"ALTER ROLE data_analyst_reader RESET {name}")
    assert found == {
        "backslash": "\\",
        "unknown": None,
        "day": "2020-01-02",
        "midnight": "2020-01-01 00:00:00+00",
        "letter": "é",
        "seqscans": "off",
        "style": "postgres",
    }
