"""data-access-api on a real OMOP database and a real state database, within this process."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg

from flame_node_agent.cohort.app import create_app
from flame_node_agent.cohort.policy import Policy
from flame_node_agent.cohort.serving import compose
from flame_node_agent.cohort.snapshots import SnapshotStore
from flame_node_agent.config.data_access import load_data_access
from flame_node_agent.crypto.envelope import PROJECT_ID_CONTEXT, Keyring
from flame_node_agent.devstack.omop.access import OmopAccess
from flame_node_agent.devstack.postgres import PostgresAccess
from flame_node_agent.stores.database import Database

AES_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
INTERNAL_KEY = "internal-key-4711"
HEADERS = {
    "X-Trust-Internal-Service-Key": INTERNAL_KEY,
    "X-Cohort-Admin-Key": hashlib.sha256(AES_KEY.encode()).hexdigest(),
}
KEYRING = Keyring(AES_KEY)


@dataclass
class Service:
    """A running service and what it stands on."""

    client: httpx.AsyncClient
    omop: OmopAccess
    database: Database
    store: SnapshotStore

    async def post(self, path: str, project: uuid.UUID, query: str = "") -> httpx.Response:
        """Ask in the name of a project, with every key."""
        body = {
            "encrypted_project_id": KEYRING.encrypt(str(project), PROJECT_ID_CONTEXT),
            "query": query,
            "query_id": "q",
            "query_name": "n",
            "trust_id": "t",
        }
        return await self.client.post(path, json=body, headers=HEADERS)

    async def freeze(self, query: str, project: uuid.UUID | None = None) -> uuid.UUID:
        """Freeze a cohort and give its project."""
        project = project or uuid.uuid4()
        answer = await self.post("/cohort/snapshot", project, query)
        assert answer.status_code == 200, answer.text
        return project

    async def dataframe(self, project: uuid.UUID, query: str = "") -> dict[str, list[Any]]:
        """The rows of a project."""
        answer = await self.post("/cohort/dataframe", project, query)
        assert answer.status_code == 200, answer.text
        found: dict[str, list[Any]] = answer.json()
        return found

    def omop_rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What the owner of the OMOP database sees."""
        with psycopg.connect(self.omop.dsn, options="-c search_path=omop") as connection:
            return connection.execute(statement.encode()).fetchall()

    def change_omop(self, statement: str) -> None:
        """Change the OMOP database; only in one of the test's own."""
        with psycopg.connect(self.omop.dsn, options="-c search_path=omop") as connection:
            connection.execute(statement.encode())


@asynccontextmanager
async def serving(
    omop: OmopAccess,
    new_database: Callable[[], PostgresAccess],
    policy: Policy | None = None,
    **environment: str,
) -> AsyncIterator[Service]:
    """Run a service with its settings changed by ``environment``."""
    settings = load_data_access(
        {
            **omop.variables(),
            **new_database().variables(),
            "AES_KEY_BASE64": AES_KEY,
            "TRUST_INTERNAL_SERVICE_KEY": INTERNAL_KEY,
            **environment,
        },
        env_file=None,
    )
    database = await Database.open(settings)
    await database.migrate()
    deps = compose(settings, database, policy or Policy(settings.cohort_query_threshold))
    transport = httpx.ASGITransport(create_app(deps, settings))
    try:
        async with httpx.AsyncClient(
            transport=transport, base_url="http://data-access-api", timeout=60
        ) as client:
            yield Service(client, omop, database, SnapshotStore(database))
    finally:
        await database.close()
