"""PostgreSQL behind :class:`~flame_node_agent.cohort.engine.CohortEngine`.

Each statement gets a connection of its own, read-only, with a statement time-out and a pinned search path, and goes
through the extended protocol, which takes one statement at a time. The server ends it when its caller is cancelled,
and by itself when this process has died.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from psycopg import AsyncConnection, AsyncRawCursor, AsyncRawServerCursor, IsolationLevel
from psycopg.conninfo import make_conninfo

from flame_node_agent.cohort.engine import BATCH_ROWS, ONE_PROCESS, Column, Row, Rows
from flame_node_agent.cohort.postgres_errors import QUERY_FAILED, QUERY_TIMEOUT, refusal
from flame_node_agent.config.data_access import DataAccessSettings
from flame_node_agent.errors import Busy, Refused

log = structlog.get_logger(__name__)

_CONNECT_SECONDS = 10
_CHECK_SECONDS = 5
_INTEGERS = frozenset({20, 21, 23})
"""PostgreSQL's own numbers of the types int8, int2 and int4."""

_SESSION = {
    "default_transaction_read_only": "on",
    "search_path": "pg_catalog,omop,pg_temp",
    # Pinned, whatever database and role have: these decide what the text of a statement means (the guard reads it as
    # UTF-8 with plain backslashes, and x = NULL as unknown) and what its dates are.
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "backslash_quote": "off",
    "transform_null_equals": "off",
    "array_nulls": "on",
    "row_security": "on",
    "DateStyle": "ISO,MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    # The same LIMIT gives the same rows, as far as it is up to a session (see ONE_PROCESS and CohortShape):
    # disclosure control runs earlier statements again.
    "synchronize_seqscans": "off",
    # Half a million subjects are counted in memory then; PostgreSQL's default of 4 MB would go to the disk.
    "work_mem": "64MB",
    # Compiling takes longer than it saves for statements that run once.
    "jit": "off",
    # Subjects are grouped by hashing, in one pass. The planner cannot know how few kinds of them there are, and would
    # sort all; where an order is asked for, it is still made.
    "enable_sort": "off",
    # The server looks once a second whether this process is still there.
    "client_connection_check_interval": "1s",
    "idle_in_transaction_session_timeout": "60s",
    "idle_session_timeout": "60s",
}


@dataclass(frozen=True)
class PostgresEngine:
    """Statements on one database, a limited number of them at a time; others wait their turn."""

    conninfo: str = field(repr=False)
    timeout_seconds: float
    turns: asyncio.Semaphore
    row_turns: asyncio.Semaphore
    """Rows take as long as their reader likes, so they never have all turns."""

    @classmethod
    def of(cls, settings: DataAccessSettings) -> PostgresEngine:
        """The OMOP database of the settings."""
        return cls.to(
            settings.omop_conninfo(),
            timeout_seconds=settings.cohort_statement_timeout_seconds,
            parallel=settings.cohort_parallel_queries,
        )

    @classmethod
    def to(cls, dsn: str, *, timeout_seconds: float, parallel: int) -> PostgresEngine:
        """The database behind ``dsn``; ``timeout_seconds`` is for one statement, its wait for a turn apart."""
        options = {**_SESSION, "statement_timeout": f"{max(1, round(timeout_seconds * 1000))}ms"}
        conninfo = make_conninfo(
            dsn,
            application_name="flame-node-data-access",
            connect_timeout=_CONNECT_SECONDS,
            tcp_user_timeout=15_000,
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
            options=" ".join(f"-c {name}={value}" for name, value in options.items()),
        )
        return cls(
            conninfo, timeout_seconds, asyncio.Semaphore(parallel), asyncio.Semaphore(max(1, parallel - 1))
        )

    async def describe(self, sql: str) -> tuple[Column, ...]:
        """See the protocol."""
        async with self._connection() as connection, connection.transaction():
            cursor = await connection.execute(_none_of(sql), prepare=True)
            return tuple(
                Column(found.name, found.type_code in _INTEGERS) for found in cursor.description or ()
            )

    async def columns(self, sql: str) -> tuple[str, ...]:
        """See the protocol."""
        return tuple(column.name for column in await self.describe(sql))

    async def aggregate(self, sql: str, parameters: Sequence[object] = ()) -> Mapping[str, Any]:
        """See the protocol."""
        async with self._connection() as connection, connection.transaction():
            if ONE_PROCESS in sql:
                await connection.execute(b"SET LOCAL max_parallel_workers_per_gather = 0")
            cursor = await connection.execute(sql.encode(), parameters, prepare=True)
            row = await cursor.fetchone()
            names = [found.name for found in cursor.description or ()]
            return dict(zip(names, row or (), strict=True))

    @asynccontextmanager
    async def rows(self, sql: str, parameters: Sequence[object] = ()) -> AsyncIterator[Rows]:
        """See the protocol."""
        async with self._turn(self.row_turns), self._connection() as connection, connection.transaction():
            # PostgreSQL never plans cursors for several processes, so there is nothing to set here.
            cursor = AsyncRawServerCursor(connection, "cohort_rows")
            async with cursor:
                await cursor.execute(sql.encode(), parameters or None)
                names = tuple(found.name for found in cursor.description or ())
                yield Rows(names, _batches(cursor))

    async def check(self) -> None:
        """See the protocol."""
        try:
            async with asyncio.timeout(_CHECK_SECONDS), self._connection() as connection:
                await connection.execute(b"SELECT 1")
        except TimeoutError:
            raise Busy(QUERY_FAILED) from None

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[Row]]:
        try:
            async with self._turn(self.turns), await self._connect() as connection:
                yield connection
        except Exception as error:
            refused = refusal(error)
            if refused is error:
                raise
            # "from None": the driver's text holds SQL and values, and must not reach any log by the chain.
            status = getattr(refused, "status", None)
            log.warning("cohort.statement_failed", error=type(error).__name__, status=status)
            raise refused from None

    @asynccontextmanager
    async def _turn(self, turns: asyncio.Semaphore) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.timeout_seconds):
                await turns.acquire()
        except TimeoutError:
            raise Refused(500, QUERY_TIMEOUT) from None
        try:
            yield
        finally:
            turns.release()

    async def _connect(self) -> AsyncConnection[Row]:
        connection = await AsyncConnection.connect(
            self.conninfo, autocommit=True, cursor_factory=AsyncRawCursor
        )
        await connection.set_read_only(True)
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        return connection


async def _batches(cursor: AsyncRawServerCursor[Row]) -> AsyncIterator[Sequence[Row]]:
    while batch := await cursor.fetchmany(BATCH_ROWS):
        yield batch


def _none_of(sql: str) -> bytes:
    """A statement that has the columns of ``sql`` and no rows."""
    return f"SELECT * FROM ({sql}\n) AS cohort LIMIT 0".encode()
