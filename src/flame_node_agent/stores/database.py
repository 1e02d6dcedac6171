"""State at rest: PostgreSQL, through psycopg and its pool.

Connections are in autocommit; what belongs together opens a transaction. Every operation of this package may be
repeated without harm, because a connection can break after the server has committed and before it could say so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import resources

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from flame_node_agent.config.shared import ServiceSettings
from flame_node_agent.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)

Connection = AsyncConnection[DictRow]

MIGRATION_LOCK = 0x666C616D65  # "flame": one agent migrates at a time
WAIT_FOR_CONNECTION_SECONDS = 3.0  # below the 5 s after which the oldest SDKs give up

# Broken connections, a full disk, a standby that only reads, a schema or a right that is not there yet: all may pass.
UNAVAILABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.UndefinedTable,
    psycopg.errors.InsufficientPrivilege,
)
BEYOND_LIMITS = "54"
"""Class of the errors (PostgreSQL, appendix A) that are no outage though psycopg counts them as operational: what was
asked for is too large, and will be the next time."""


class Database:
    """A pool of connections and the schema behind it."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool

    @classmethod
    async def open(cls, settings: ServiceSettings) -> Database:
        """Make the pool without waiting for the server, which may be away for now."""
        pool = AsyncConnectionPool(
            conninfo(settings),
            connection_class=AsyncConnection[DictRow],
            kwargs={"autocommit": True, "row_factory": dict_row},
            min_size=1,
            max_size=settings.postgres.max_connections,
            timeout=WAIT_FOR_CONNECTION_SECONDS,
            reconnect_timeout=10,
            open=False,
        )
        await pool.open(wait=False)
        return cls(pool)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in autocommit; DatabaseUnavailable when there is none or it breaks."""
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (PoolTimeout, TooManyRequests) as error:
            raise DatabaseUnavailable("no connection to PostgreSQL") from error
        except UNAVAILABLE as error:
            if isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(BEYOND_LIMITS):
                raise
            raise DatabaseUnavailable(f"PostgreSQL: {type(error).__name__}") from error

    async def run[T](self, operation: Callable[[Connection], Awaitable[T]]) -> T:
        """Run ``operation`` in one transaction; once more if the pooled connection turns out to be dead."""
        try:
            async with self.connection() as connection, connection.transaction():
                return await operation(connection)
        except DatabaseUnavailable as error:
            if isinstance(error.__cause__, PoolTimeout | TooManyRequests):
                raise
        async with self.connection() as connection, connection.transaction():
            return await operation(connection)

    async def execute(self, statement: str, parameters: dict[str, object] | None = None) -> list[DictRow]:
        """Run one statement in autocommit and give its rows; repeated once like :meth:`run`."""
        try:
            return await self._execute(statement, parameters)
        except DatabaseUnavailable as error:
            if isinstance(error.__cause__, PoolTimeout | TooManyRequests):
                raise
        return await self._execute(statement, parameters)

    async def _execute(self, statement: str, parameters: dict[str, object] | None) -> list[DictRow]:
        async with self.connection() as connection:
            cursor = await connection.execute(statement.encode(), parameters)
            return await cursor.fetchall() if cursor.description else []

    async def migrate(self) -> list[str]:
        """Bring the schema up to date and name what was applied; several agents may try at once."""

        async def apply(connection: Connection) -> list[str]:
            await connection.execute("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": MIGRATION_LOCK})
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS schema_migration ("
                " name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
            )
            cursor = await connection.execute("SELECT name FROM schema_migration")
            known = {row["name"] for row in await cursor.fetchall()}
            applied = []
            for name, statements in migrations():
                if name not in known:
                    await connection.execute(statements.encode())
                    await connection.execute(
                        "INSERT INTO schema_migration (name) VALUES (%(name)s)", {"name": name}
                    )
                    applied.append(name)
            return applied

        applied = await self.run(apply)
        for name in applied:
            log.info("database.migrated", migration=name)
        return applied

    async def check(self) -> None:
        """Whether the server answers and the schema is this version's; DatabaseUnavailable."""
        rows = await self.execute("SELECT name FROM schema_migration")
        if missing := {name for name, _ in migrations()} - {row["name"] for row in rows}:
            raise DatabaseUnavailable(f"migrations not applied yet: {', '.join(sorted(missing))}")


def conninfo(settings: ServiceSettings) -> str:
    """The connection string, with time-outs that notice a server that has silently gone."""
    postgres = settings.postgres
    return make_conninfo(
        host=postgres.host,
        port=postgres.port,
        user=postgres.user,
        password=postgres.password.get_secret_value(),
        dbname=postgres.db,
        application_name="flame-node-agent",
        connect_timeout=5,
        tcp_user_timeout=15_000,
        keepalives_idle=30,
        keepalives_interval=10,
        keepalives_count=3,
        options="-c statement_timeout=60s -c idle_in_transaction_session_timeout=60s",
    )


def migrations() -> list[tuple[str, str]]:
    """Name and text of the numbered SQL files, in order."""
    folder = resources.files("flame_node_agent.stores") / "migrations"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda e: e.name)
    return [(entry.name.removesuffix(".sql"), entry.read_text(encoding="utf-8")) for entry in files]
