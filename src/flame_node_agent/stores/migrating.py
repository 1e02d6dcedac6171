"""Brings the schema up to date as soon as there is a database, for processes that start before it."""

from __future__ import annotations

import asyncio

import structlog

from flame_node_agent.errors import DatabaseUnavailable
from flame_node_agent.stores.database import Database
from flame_node_agent.telemetry import metrics

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 2.0


async def migrate(database: Database) -> None:
    """Try until it is done, however long the database is away or refuses."""
    while True:
        try:
            await database.migrate()
        except DatabaseUnavailable as error:
            log.warning("database.migration_postponed", error=str(error))
        except Exception:  # the edge of a loop: such as a role that may not create tables, until it may
            log.exception("loop.failed", loop="migration")
            metrics.LOOP_ERRORS.labels("migration").inc()
        else:
            return
        await asyncio.sleep(PAUSE_SECONDS)
