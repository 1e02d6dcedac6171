"""What agents under test stand on: one database, one bucket and one hub, and what can be seen there afterwards."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from flame_node_agent.config.settings import load_settings
from flame_node_agent.devstack.testing import LazyParts, RunningHub
from flame_node_agent.stores.database import Database
from flame_node_agent.stores.ledger import Ledger, LedgerRow

from .agent_process import AgentProcess, Analysis
from .waiting import eventually

QUICK = {
    "OUTBOX__LEASE_SECONDS": "1.5",
    "OUTBOX__POLL_INTERVAL_SECONDS": "0.1",
    "OUTBOX__BACKOFF_BASE_SECONDS": "0.05",
    "OUTBOX__BACKOFF_CAP_SECONDS": "0.4",
    "JANITOR__INTERVAL_SECONDS": "0.4",
    "RESULTS__INTERMEDIATE_DEADLINE_SECONDS": "3",
    "RESULTS__LOOKUP_DEADLINE_SECONDS": "1",
    "HTTP__CONNECT_TIMEOUT_SECONDS": "2",
    "HTTP__READ_TIMEOUT_SECONDS": "3",
    "SHUTDOWN_GRACE_SECONDS": "5",
}
"""Settings with which recovery takes a second or two instead of a minute."""

OPEN = {"waiting", "uploading", "uploaded", "retracting"}


@dataclass(frozen=True)
class Held:
    """What a bucket holds: its objects' keys, and the keys of multipart uploads that were never finished."""

    objects: set[str]
    unfinished: list[str]


class Ground:
    """One trust's stores, with a hub. Any number of agents may run on it."""

    def __init__(self, parts: LazyParts, hub: RunningHub, directory: Path) -> None:
        self.parts = parts
        self.hub = hub
        self.database = parts.new_database()
        self.bucket = parts.new_bucket()
        self.analyses: list[Analysis] = []
        self._directory = directory
        self._agents: list[AgentProcess] = []
        self._numbers = count(1)

    def agent(self, **overrides: str) -> AgentProcess:
        """One more agent, not started yet."""
        environment = self.parts.agent_environment(
            self.hub, database=self.database, bucket=self.bucket, **{**QUICK, **overrides}
        )
        agent = AgentProcess(self._directory / f"agent-{next(self._numbers)}", environment)
        self._agents.append(agent)
        return agent

    def running_agent(self, **overrides: str) -> AgentProcess:
        """One more agent that is ready."""
        agent = self.agent(**overrides)
        agent.start()
        return agent

    def analysis(self) -> Analysis:
        """A new analysis of the hub."""
        made = self.hub.admin.post("/analyses", json={}).raise_for_status().json()
        token = self.parts.oidc.issue(made["analysis_id"])
        analysis = Analysis(UUID(made["analysis_id"]), token, made["buckets"])
        self.analyses.append(analysis)
        return analysis

    def close(self) -> None:
        for agent in self._agents:
            agent.close()

    def hub_files(self, *analyses: Analysis) -> list[dict[str, Any]]:
        """What the hub holds of these analyses, or of all on this ground."""
        wanted = {str(analysis.id) for analysis in analyses or self.analyses}
        return [file for file in self.hub.uploads() if file["analysis_id"] in wanted]

    def links(self) -> dict[UUID, list[str]]:
        """When each file of this ground was linked; more than once is too often."""
        wanted = {str(analysis.id) for analysis in self.analyses}
        links: dict[UUID, list[str]] = defaultdict(list)
        for link in self.hub.admin.get("/links").raise_for_status().json():
            if link["analysis_id"] in wanted:
                links[UUID(link["bucket_file_id"])].append(link["created_at"])
        return links

    def rows(self, table: str = "outbox") -> list[dict[str, Any]]:
        """A whole table."""
        with psycopg.connect(self.database.dsn, row_factory=dict_row) as connection:
            return connection.execute(f"SELECT * FROM {table}".encode()).fetchall()

    def rows_of(self, analysis: Analysis) -> list[dict[str, Any]]:
        """The outbox rows of one analysis."""
        return [row for row in self.rows() if row["analysis_id"] == analysis.id]

    def held(self) -> Held:
        """What the bucket holds now."""
        return _in_a_loop(self._held)

    def ledger(self) -> list[LedgerRow]:
        """All rows of the ledger, once its chain has proved whole."""
        return _in_a_loop(self._ledger)

    def ledger_of(self, analysis: Analysis) -> list[LedgerRow]:
        """The rows of one analysis, once the whole chain has proved whole."""
        return [row for row in self.ledger() if row.departure.analysis_id == analysis.id]

    def await_final(self, agent: AgentProcess, sent: dict[UUID, bytes], analysis: Analysis) -> None:
        """Wait until every upload is delivered; then the hub must hold exactly their contents, each once."""
        for upload in sent:
            agent.await_state(analysis, upload, "delivered")
        arrived = Counter(file["sha256"] for file in self.hub_files(analysis))
        assert arrived == Counter(sha256(content) for content in sent.values())

    def await_rest(self, *, seconds: float = 40.0) -> None:
        """Wait until nothing is on its way any more, then check that both sides agree and nothing is left over."""
        eventually(self._assert_at_rest, seconds=seconds)
        files = {UUID(file["id"]): file for file in self.hub_files()}
        rows = self.rows()
        delivered = {row["hub_file_id"] for row in rows if row["state"] == "delivered"}
        assert set(files) == delivered, "the hub holds other files than were delivered"
        eventually(lambda: self._assert_linked_once(files))
        departed = {row.departure.upload_id: row.departure for row in self.ledger()}
        left = {row["upload_id"] for row in rows if row["hub_file_id"] is not None}
        assert set(departed) == left, "the ledger does not tell of what has left"
        for agent in self._agents:
            assert '"loop.failed"' not in agent.log, "an agent came upon a defect of its own"
        for row in rows:
            if row["state"] == "delivered":
                assert departed[row["upload_id"]].sent_sha256 == files[row["hub_file_id"]]["sha256"]

    def _assert_at_rest(self) -> None:
        rows = self.rows()
        assert not [row for row in rows if row["state"] in OPEN], "rows are stuck"
        assert not [row for row in rows if row["lease_token"] is not None], "leases are left"
        assert self.rows("staged_object") == [], "objects are still announced"
        held = self.held()
        assert held.unfinished == [], "multipart uploads are left"
        kept = {row["object_key"] for row in rows if row["owns_object"] and row["state"] != "retracted"}
        outgoing = {key for key in held.objects if not key.startswith("local/")}
        assert outgoing == kept, f"orphans: {outgoing - kept}, lost: {kept - outgoing}"

    def _assert_linked_once(self, files: dict[UUID, dict[str, Any]]) -> None:
        links = self.links()
        assert set(links) == set(files), "files without a link, or links to files that are gone"
        wrong = {file: times for file, times in links.items() if len(times) > 1}
        assert not wrong, f"linked more than once: {wrong}"

    async def _held(self) -> Held:
        async with self.bucket.client() as client:
            listing = client.list_objects(self.bucket.bucket, recursive=True)
            objects = {found.object_name async for found in listing if found.object_name}
            begun = await client._list_multipart_uploads(self.bucket.bucket)
            return Held(objects, [upload.object_name or "" for upload in begun.uploads])

    async def _ledger(self) -> list[LedgerRow]:
        settings = load_settings(
            env=self.parts.agent_environment(self.hub, database=self.database, bucket=self.bucket),
            env_file=None,
        )
        database = await Database.open(settings)
        try:
            ledger = Ledger(database)
            await ledger.verify()
            return [row async for row in ledger.rows()]
        finally:
            await database.close()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _in_a_loop[T](run: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine in a thread of its own, as a test may itself run inside an event loop."""

    async def awaited() -> T:
        return await run()

    with ThreadPoolExecutor(1) as worker:
        return worker.submit(asyncio.run, awaited()).result()
