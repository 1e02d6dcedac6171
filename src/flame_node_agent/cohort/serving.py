"""The data-access-api process: everything put together, started, and stopped in order.

Neither database has to be there at the start: the service answers from the first moment, with 503 or 500 where it
cannot do better yet.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from fastapi import FastAPI

from flame_node_agent import __version__
from flame_node_agent.cohort.app import create_app
from flame_node_agent.cohort.cache import SummaryCache
from flame_node_agent.cohort.guard import guard
from flame_node_agent.cohort.policy import Policy
from flame_node_agent.cohort.ports import CohortDependencies
from flame_node_agent.cohort.postgres_engine import PostgresEngine
from flame_node_agent.cohort.query_log import QueryLog
from flame_node_agent.cohort.release import CohortStatistics
from flame_node_agent.cohort.snapshots import SnapshotStore
from flame_node_agent.config.data_access import DataAccessSettings
from flame_node_agent.crypto.envelope import Keyring
from flame_node_agent.stores.database import Database
from flame_node_agent.stores.migrating import migrate

log = structlog.get_logger(__name__)

FIRST_MIGRATION_SECONDS = 5.0
"""For which the first requests wait: a query that came before there are tables would fail for good at the hub."""
COMPARING_SECONDS = 60.0
"""For the comparison of one cohort with those that were told of before; one that takes longer is suppressed."""


class Server(Protocol):
    """A server that is configured, and leaves signals to this module."""

    should_exit: bool

    async def serve(self, sockets: list[socket.socket] | None = None) -> None: ...


type MakeServer = Callable[[FastAPI], Server]


def compose(settings: DataAccessSettings, database: Database, policy: Policy) -> CohortDependencies:
    """Put the parts together; connects to nothing yet."""
    engine = PostgresEngine.of(settings)
    return CohortDependencies(
        guard=guard,
        engine=engine,
        statistics=CohortStatistics(
            engine,
            QueryLog(database),
            SummaryCache(
                ttl_days=settings.cache_ttl_days,
                max_entries=settings.cache_max_entries,
                max_rows=settings.cache_max_result_rows,
            ),
            rounding=settings.cohort_rounding,
            comparing_seconds=COMPARING_SECONDS,
        ),
        snapshots=SnapshotStore(database),
        keyring=Keyring.of(settings),
        policy=policy,
    )


async def run(
    settings: DataAccessSettings, sockets: Sequence[socket.socket], make_server: MakeServer
) -> None:
    """Serve until SIGTERM or SIGINT; then nothing new, and what runs may finish within the grace period.

    Raises:
        SettingsError: the access policy cannot be used.
    """
    policy = load_policy(settings)
    database = await Database.open(settings)
    server = make_server(create_app(compose(settings, database, policy), settings))

    def stop() -> None:
        if not server.should_exit:
            log.info("data_access.stopping", grace_seconds=settings.shutdown_grace_seconds)
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for wanted in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(wanted, stop)
    log.info(
        "data_access.started",
        version=__version__,
        host=settings.listen.host,
        ports=list(settings.listen.ports),
        row_level=settings.cohort_row_level,
    )
    migration = asyncio.create_task(migrate(database))
    try:
        await asyncio.wait({migration}, timeout=FIRST_MIGRATION_SECONDS)
        await server.serve(sockets=list(sockets))
    finally:
        migration.cancel()
        await asyncio.gather(migration, return_exceptions=True)
        await database.close()
        log.info("data_access.stopped")


def load_policy(settings: DataAccessSettings) -> Policy:
    """Read the access policy and say in the log which one is in force.

    Raises:
        SettingsError: it cannot be used.
    """
    policy = Policy.load(settings.access_policy_file, settings.cohort_query_threshold)
    if policy.source is None:
        log.info("policy.not_configured", threshold=policy.floor)
    else:
        log.info("policy.active", source=str(policy.source), sha256=policy.sha256, threshold=policy.floor)
    return policy
