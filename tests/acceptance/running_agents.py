"""Agents under test: each a real process with its own database and bucket, spoken to over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from flame_node_agent.devstack.agent_server import AgentServer
from flame_node_agent.devstack.postgres import PostgresAccess
from flame_node_agent.devstack.s3 import S3Access

PATIENCE_SECONDS = 75.0
"""Longer than an agent takes to say that the hub has not answered in time (50 s), so that its reason is seen."""
UPLOAD_ID = "X-Upload-Id"

type State = dict[str, Any]
"""What GET /uploads/{upload_id} answers."""


class RunningAgent:
    """One `flame-node agent` and what it keeps."""

    def __init__(
        self, directory: Path, environment: Mapping[str, str], database: PostgresAccess, bucket: S3Access
    ) -> None:
        self.environment = dict(environment)
        self.database = database
        self.bucket = bucket
        ports = tuple(int(port) for port in environment["LISTEN__PORTS"].split(","))
        self.server = AgentServer(directory, env_file=directory / "agent.env", ports=ports)
        self.server.write_settings(environment)
        self.http = httpx.Client(base_url=self.server.url, trust_env=False, timeout=PATIENCE_SECONDS)

    def start(self, *, wait_for_parts: bool = True) -> RunningAgent:
        """Start the process; returns when it answers and, with ``wait_for_parts``, is ready."""
        self.server.start(wait_for_parts=wait_for_parts)
        return self

    def stop(self) -> None:
        """Stop the process in order; harmless if it does not run."""
        self.http.close()
        if self.server.was_started:
            self.server.stop()

    @property
    def log_file(self) -> Path:
        return self.server.directory / "agent.log"

    def log(self, since: int = 0) -> str:
        """What the agent has logged from that byte on."""
        if not self.log_file.exists():
            return ""
        with self.log_file.open("rb") as log:
            log.seek(since)
            return log.read().decode(errors="replace")

    def upload_of(self, answer: httpx.Response, auth: httpx.Auth) -> State:
        """The state of the upload that an answer to PUT /final names."""
        found = self.http.get(f"/uploads/{answer.headers[UPLOAD_ID]}", auth=auth)
        assert found.status_code == 200, found.text
        return dict(found.json())

    def delivered(self, answer: httpx.Response, auth: httpx.Auth) -> State:
        """Wait until that upload has reached the hub, and give its last state."""
        upload = self.settled(answer, auth)
        assert upload["state"] == "delivered", upload
        return upload

    def settled(self, answer: httpx.Response, auth: httpx.Auth) -> State:
        """Wait until that upload has been delivered, or has failed for good, and give its last state."""
        return self.awaited(answer, auth, lambda upload: upload["state"] in {"delivered", "failed"})

    def awaited(self, answer: httpx.Response, auth: httpx.Auth, holds: Callable[[State], bool]) -> State:
        """Wait until something holds of that upload's state, and give that state."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds(upload := self.upload_of(answer, auth)):
            assert time.monotonic() < deadline, upload
            time.sleep(0.02)
        return upload

    def local_objects(self, project_id: object) -> set[str]:
        """The keys of all objects that are stored for a project."""
        return self.objects(f"local/{project_id}")

    def objects(self, prefix: str = "") -> set[str]:
        """The keys of all objects in the bucket that begin with ``prefix``."""
        with ThreadPoolExecutor(1) as worker:  # a test may run within an event loop
            return worker.submit(asyncio.run, self._objects(prefix)).result()

    def await_emptied(self, prefix: str) -> None:
        """Wait until no object is left whose key begins with ``prefix``."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while left := self.objects(prefix):
            assert time.monotonic() < deadline, left
            time.sleep(0.1)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of one of the agent's tables, oldest first."""
        with psycopg.connect(self.database.dsn, row_factory=psycopg.rows.dict_row) as connection:
            return connection.execute(f"SELECT * FROM {table} ORDER BY 1".encode()).fetchall()

    def row_counts(self) -> RowCounts:
        """How many rows each table of local results has."""
        return RowCounts(*(len(self.rows(table)) for table in ("result", "tag", "taggedresult")))

    async def _objects(self, prefix: str) -> set[str]:
        async with self.bucket.client() as client:
            listing = client.list_objects(self.bucket.bucket, prefix=prefix, recursive=True)
            return {str(found.object_name) async for found in listing}


@dataclass(frozen=True)
class RowCounts:
    """Rows in the tables of the FLAME Node Result Service."""

    result: int
    tag: int
    taggedresult: int
