"""The stores of one agent, on a fresh database and bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from flame_node_agent.config.settings import Settings, load_settings
from flame_node_agent.devstack.nodes import NodeRegister
from flame_node_agent.devstack.postgres import PostgresAccess
from flame_node_agent.devstack.s3 import S3Access
from flame_node_agent.stores.database import Database
from flame_node_agent.stores.local_results import LocalResults
from flame_node_agent.stores.objects import ObjectStore
from flame_node_agent.stores.outbox import Outbox
from flame_node_agent.stores.staging import Staging


@dataclass
class Stores:
    """What one agent process has of the two stores."""

    settings: Settings
    database: Database
    objects: ObjectStore
    staging: Staging
    outbox: Outbox
    local_results: LocalResults

    async def keys(self, prefix: str = "") -> list[str]:
        return [found.key async for found in self.objects.list(prefix)]

    async def count(self, table: str) -> int:
        return int((await self.database.execute(f"SELECT count(*) AS n FROM {table}"))[0]["n"])


StoresFactory = Callable[..., "AsyncIterator[Stores]"]


@pytest.fixture
def store_settings(
    nodes: NodeRegister,
    postgres_database: Callable[[], PostgresAccess],
    s3_bucket: Callable[[], S3Access],
) -> Settings:
    return load_settings(
        env={
            **postgres_database().variables(),
            **s3_bucket().variables(),
            "HUB__AUTH__FLOW": "client",
            "HUB__AUTH__ID": "0",
            "HUB__AUTH__SECRET": "unused",
            "OIDC__CERTS_URL": "http://127.0.0.1:1/certs",
            "CRYPTO__PROVIDER": "file",
            "CRYPTO__ECDH_PRIVATE_KEY_PATH": str(nodes.own_key_path),
        },
        env_file=None,
    )


async def open_stores(settings: Settings, *, lease_seconds: float = 60.0) -> Stores:
    database = await Database.open(settings)
    await database.migrate()
    objects = ObjectStore.open(settings)
    staging = Staging(database, objects, lease_seconds=lease_seconds)
    outbox = Outbox(database, owner=staging.owner, lease_seconds=lease_seconds)
    return Stores(settings, database, objects, staging, outbox, LocalResults(database, owner=staging.owner))


async def close_stores(stores: Stores) -> None:
    await stores.objects.close()
    await stores.database.close()


@pytest.fixture
async def stores(store_settings: Settings) -> AsyncIterator[Stores]:
    opened = await open_stores(store_settings)
    yield opened
    await close_stores(opened)


@pytest.fixture
async def hasty_stores(store_settings: Settings) -> AsyncIterator[Stores]:
    """A second agent on the same stores, whose leases lapse at once."""
    opened = await open_stores(store_settings, lease_seconds=0.01)
    yield opened
    await close_stores(opened)
