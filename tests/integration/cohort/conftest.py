"""The OMOP database as cohort queries see it, and a database for the node's own state."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable

import pytest

from flame_node_agent.cohort.postgres_engine import PostgresEngine
from flame_node_agent.config.data_access import DataAccessSettings, load_data_access
from flame_node_agent.devstack.omop.access import OmopAccess
from flame_node_agent.devstack.postgres import PostgresAccess
from flame_node_agent.stores.database import Database


@pytest.fixture
def data_access_settings(
    omop: OmopAccess, postgres_database: Callable[[], PostgresAccess]
) -> DataAccessSettings:
    return load_data_access(
        env={
            **postgres_database().variables(),
            **omop.variables(),
            "AES_KEY_BASE64": base64.b64encode(bytes(range(32))).decode(),
        },
        env_file=None,
    )


@pytest.fixture
def engine(omop: OmopAccess) -> PostgresEngine:
    """The engine, as the role that answers cohort queries."""
    return PostgresEngine.to(omop.reader_dsn, timeout_seconds=60, parallel=4)


@pytest.fixture
async def state(data_access_settings: DataAccessSettings) -> AsyncIterator[Database]:
    """The node's own database, empty and migrated."""
    database = await Database.open(data_access_settings)
    await database.migrate()
    yield database
    await database.close()
