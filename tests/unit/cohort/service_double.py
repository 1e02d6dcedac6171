"""data-access-api with everything behind it in memory."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI

from flame_node_agent.cohort.answer import SUPPRESSED, CohortAnswer
from flame_node_agent.cohort.app import create_app
from flame_node_agent.cohort.engine import Column, Row, Rows
from flame_node_agent.cohort.guard import GuardedQuery, guard
from flame_node_agent.cohort.policy import Policy
from flame_node_agent.cohort.ports import CohortDependencies
from flame_node_agent.cohort.snapshots import Member, MemberKind, Snapshot
from flame_node_agent.config.data_access import DataAccessSettings, load_data_access
from flame_node_agent.crypto.envelope import PROJECT_ID_CONTEXT, Keyring
from flame_node_agent.wire.data_access import Bucket, Statistic

AES_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
INTERNAL_KEY = "internal-key-4711"
ENVIRONMENT = {
    "POSTGRES__HOST": "localhost",
    "POSTGRES__USER": "flame",
    "POSTGRES__PASSWORD": "state-secret-4711",
    "POSTGRES__DB": "flame",
    "DATA_ACCESS_POSTGRES_USER": "data_analyst_reader",
    "DATA_ACCESS_POSTGRES_PASSWORD": "reader-secret-4711",
    "OMOP_POSTGRES_DB": "omop",
    "AES_KEY_BASE64": AES_KEY,
    "TRUST_INTERNAL_SERVICE_KEY": INTERNAL_KEY,
}
PROJECT = UUID("5b0f7a8e-5a3f-4d63-9f0c-0d7f4f1f2a11")
QUERY = "SELECT person_id, gender_concept_id FROM person"
ANSWER = CohortAnswer(
    record_count=25,
    data=(Statistic(name="Counts", results=[Bucket(value="person\nid", count=25)]),),
    suppressed=False,
)
INTERNAL = {"X-Trust-Internal-Service-Key": INTERNAL_KEY}
ADMIN = {**INTERNAL, "X-Cohort-Admin-Key": hashlib.sha256(AES_KEY.encode()).hexdigest()}


class EngineDouble:
    """Answers every statement with the rows it is given, or fails."""

    def __init__(self) -> None:
        self.described: tuple[Column, ...] = (Column("person_id", integer=True),)
        self.batches: list[list[Row]] = []
        self.failure: Exception | None = None
        self.statements: list[str] = []
        self.forever = False
        self.cancelled = asyncio.Event()

    async def describe(self, sql: str) -> tuple[Column, ...]:
        await self._run(sql)
        return self.described

    async def columns(self, sql: str) -> tuple[str, ...]:
        return tuple(column.name for column in await self.describe(sql))

    async def aggregate(self, sql: str, parameters: Sequence[object] = ()) -> Mapping[str, Any]:
        raise NotImplementedError

    @asynccontextmanager
    async def rows(self, sql: str, parameters: Sequence[object] = ()) -> AsyncIterator[Rows]:
        await self._run(sql)
        yield Rows((), self._batches())

    async def check(self) -> None:
        await self._run("SELECT 1")

    async def _batches(self) -> AsyncIterator[Sequence[Row]]:
        for batch in self.batches:
            yield batch

    async def _run(self, sql: str) -> None:
        self.statements.append(sql)
        if self.failure is not None:
            raise self.failure
        if self.forever:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise


class StatisticsDouble:
    """Gives one answer to every query."""

    def __init__(self) -> None:
        self.result: CohortAnswer = ANSWER
        self.failure: Exception | None = None
        self.asked: list[tuple[UUID, int]] = []

    async def answer(self, project_id: UUID, query: GuardedQuery, threshold: int) -> CohortAnswer:
        self.asked.append((project_id, threshold))
        if self.failure is not None:
            raise self.failure
        return self.result

    def suppress(self) -> None:
        self.result = SUPPRESSED


@dataclass
class SnapshotsDouble:
    """Snapshots in a dictionary."""

    kept: dict[UUID, Snapshot] = field(default_factory=dict)
    members: dict[UUID, list[Member]] = field(default_factory=dict)
    failure: Exception | None = None

    async def find(self, project_id: UUID) -> Snapshot | None:
        self._fail()
        return self.kept.get(project_id)

    async def freeze(self, snapshot: Snapshot, members: AsyncIterable[Sequence[Member]]) -> Snapshot:
        self._fail()
        found = [member async for batch in members for member in batch]
        self.members.setdefault(snapshot.project_id, found)
        return self.kept.setdefault(snapshot.project_id, snapshot)

    async def delete(self, project_id: UUID) -> bool:
        self._fail()
        return self.kept.pop(project_id, None) is not None

    async def members_among(self, project_id: UUID, kind: MemberKind, ids: Collection[str]) -> frozenset[str]:
        self._fail()
        return frozenset(member for of, member in self.members[project_id] if of == kind and member in ids)

    async def pages(self, project_id: UUID, kind: MemberKind) -> AsyncGenerator[Sequence[str]]:
        self._fail()
        page = sorted(member for of, member in self.members[project_id] if of == kind)
        if page:
            yield page

    async def check(self) -> None:
        self._fail()

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


@dataclass
class Service:
    """The application and its surroundings."""

    app: FastAPI
    client: httpx.AsyncClient
    settings: DataAccessSettings
    engine: EngineDouble
    statistics: StatisticsDouble
    snapshots: SnapshotsDouble
    keyring: Keyring

    def sealed(self, project: object = PROJECT, context: str = PROJECT_ID_CONTEXT) -> str:
        return self.keyring.encrypt(str(project), context)

    def cohort(self, query: str = QUERY, **fields: str) -> dict[str, str]:
        ids = {"query_id": "q-1", "query_name": "mine", "trust_id": "t-1"}
        return {"encrypted_project_id": self.sealed(), "query": query, **ids, **fields}

    def rows_of(self, query: str = QUERY, **fields: str) -> dict[str, str]:
        return {"encrypted_project_id": self.sealed(), "query": query, **fields}

    async def post(
        self, path: str, body: object, headers: Mapping[str, str] = ADMIN
    ) -> tuple[int, dict[str, Any]]:
        answer = await self.client.post(path, json=body, headers=dict(headers))
        return answer.status_code, answer.json()


def assemble(policy: Policy | None = None, **environment: str) -> Service:
    """Put a service together, with its settings changed by ``environment``; an empty value unsets."""
    settings = load_data_access({**ENVIRONMENT, **environment}, env_file=None)
    engine, statistics, snapshots = EngineDouble(), StatisticsDouble(), SnapshotsDouble()
    keyring = Keyring.of(settings)
    deps = CohortDependencies(
        guard=guard,
        engine=engine,
        statistics=statistics,
        snapshots=snapshots,
        keyring=keyring,
        policy=policy or Policy(settings.cohort_query_threshold),
    )
    app = create_app(deps, settings)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://data-access-api:8000")
    return Service(app, client, settings, engine, statistics, snapshots, keyring)
