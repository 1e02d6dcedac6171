"""What agents that do tasks stand on: a database, a hub that hands tasks out again, a service that does the work."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.rows import dict_row

from flame_node_agent.config.agent_settings import load_agent
from flame_node_agent.devstack.testing import LazyParts
from flame_node_agent.stores.database import Database
from flame_node_agent.stores.ledger import Ledger

from .agent_process import AgentProcess
from .waiting import eventually

QUICK = {
    "POLL_INTERVAL_SECONDS": "0.2",
    "TASKS__LEASE_SECONDS": "1.5",
    "TASKS__POLL_BACKOFF_CAP_SECONDS": "0.6",
    "TASKS__REPORT_BACKOFF_BASE_SECONDS": "0.1",
    "TASKS__REPORT_BACKOFF_CAP_SECONDS": "0.6",
    "HTTP__CONNECT_TIMEOUT_SECONDS": "2",
    "HTTP__READ_TIMEOUT_SECONDS": "3",
    "SHUTDOWN_GRACE_SECONDS": "5",
}
"""Settings with which recovery takes a second or two instead of a minute."""

HANDS_OUT_AGAIN = ("--stale-seconds", "5", "--stale-scan-seconds", "0.5", "--max-retries", "100000")
"""What takes a real hub half an hour: a poll whose answer nobody has got is made good."""

WORK = "get_imaging_status"
ANSWER = {"successful": 1, "failed": 0}


class ImagingDouble:
    """A service that answers every question and counts how often each was asked."""

    def __init__(self) -> None:
        self.asked = Counter[str]()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                _, is_task, query = self.path.partition("encoded_query=")
                if is_task:  # and no look at this service's health
                    asked[query] += 1
                body = json.dumps(ANSWER).encode("ascii")
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


class TaskGround:
    """One trust's task side, with a hub of its own. Any number of agents may run on it."""

    def __init__(self, parts: LazyParts, directory: Path) -> None:
        self.parts = parts
        self.hub = parts.hub(task_options=HANDS_OUT_AGAIN)
        self.database = parts.new_database()
        self.imaging = ImagingDouble()
        self._directory = directory
        self._agents: list[AgentProcess] = []
        self._numbers = count(1)
        self._orders = count(1)

    def running_agent(self) -> AgentProcess:
        """One more agent that is ready."""
        environment = self.parts.agent_environment(
            self.hub,
            sides="tasks",
            database=self.database,
            **QUICK,
            IMAGING_API_URL=self.imaging.url,
        )
        agent = AgentProcess(self._directory / f"agent-{next(self._numbers)}", environment)
        self._agents.append(agent)
        agent.start()
        return agent

    def order(self, tasks: int = 1) -> None:
        """Let the hub have tasks, each with a question of its own; a hub that is away is asked until it takes them."""
        for _ in range(tasks):
            query = f"q{next(self._orders)}"
            eventually(lambda query=query: self._order(query))  # type: ignore[misc] # bound now, called at once

    def _order(self, query: str) -> None:
        try:
            self.hub.order_task(
                WORK, imaging_project_id="0f0e0d0c-0b0a-4908-8706-050403020100", encoded_query=query
            )
        except httpx.HTTPError as error:
            raise AssertionError("the hub does not take the task") from error

    def rows(self, table: str = "task_journal") -> list[dict[str, Any]]:
        """A whole table."""
        with psycopg.connect(self.database.dsn, row_factory=dict_row) as connection:
            return connection.execute(f"SELECT * FROM {table}".encode()).fetchall()

    def await_rest(self, *, seconds: float = 60.0) -> None:
        """Wait until every task is at its end, then check that hub, journal and ledger agree: each once."""
        eventually(self._assert_at_rest, seconds=seconds)
        tasks, rows = self.hub.tasks(100_000), self.rows()
        assert {task["status"] for task in tasks.values()} == {"COMPLETED"}
        assert all(json.loads(task["result"]) == ANSWER for task in tasks.values())
        assert {str(row["task_id"]) for row in rows} == set(tasks)
        assert {row["close_reason"] for row in rows} <= {"reported", "confirmed"}
        assert Counter(row["upload_id"] for row in self._ledger()) == Counter(row["task_id"] for row in rows)
        for agent in self._agents:
            assert '"loop.failed"' not in agent.log, "an agent came upon a defect of its own"

    def _assert_at_rest(self) -> None:
        unfinished = [t for t in self.hub.tasks(100_000).values() if t["status"] != "COMPLETED"]
        assert not unfinished, f"{len(unfinished)} tasks are not completed: {unfinished[:3]}"
        open_rows = [row for row in self.rows() if row["state"] != "closed"]
        assert not open_rows, f"{len(open_rows)} rows are not closed: {open_rows[:3]}"

    def _ledger(self) -> list[dict[str, Any]]:
        """All rows of the ledger, once its chain has proved whole."""

        async def verify() -> None:
            environment = self.parts.agent_environment(self.hub, sides="tasks", database=self.database)
            database = await Database.open(load_agent(environment, env_file=None).shared)
            try:
                await Ledger(database).verify()
            finally:
                await database.close()

        with ThreadPoolExecutor(1) as worker:
            worker.submit(asyncio.run, verify()).result()
        return self.rows("egress_ledger")

    def close(self) -> None:
        for agent in self._agents:
            agent.close()
        self.imaging.close()
        self.hub.kill()


@contextmanager
def task_ground(parts: LazyParts, directory: Path) -> Iterator[TaskGround]:
    """Ground for one test, cleared away afterwards."""
    if not parts.postgres.child.alive:  # type: ignore[attr-defined] # own servers are embedded ones
        parts.postgres.start()
    ground = TaskGround(parts, directory)
    try:
        yield ground
    finally:
        ground.close()
