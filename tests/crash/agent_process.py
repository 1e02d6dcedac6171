"""One agent in a process of its own, as its operator, its analyses and its murderers see it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
import psutil

from flame_node_agent.devstack.ports import await_ports
from flame_node_agent.devstack.processes import Child, clean_environment

from .crash_points import ORDERS, Point, arm
from .waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
REQUEST_SECONDS = 30.0


@dataclass(frozen=True)
class Analysis:
    """An analysis the hub knows, the token it shows at the node, and the hub's buckets for it by kind."""

    id: UUID
    token: str
    buckets: dict[str, str]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def upload_to(self, kind: str) -> str:
        """What the hub's faults match: the uploads to one of the buckets."""
        return f"POST /storage/buckets/{self.buckets[kind]}/upload"


class AgentProcess:
    """An agent with fixed settings that is started, ended and started again."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._directory = directory
        self._orders = directory / "orders"
        self._orders.mkdir(parents=True)
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        # No variable of this process and no .env file, only what the test says.
        self.environment = clean_environment(
            **environment, **{ORDERS: str(self._orders), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
        )
        self.ports = [int(port) for port in environment["LISTEN__PORTS"].split(",")]
        self.url = f"http://127.0.0.1:{self.ports[0]}"
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=REQUEST_SECONDS)
        self._child: Child | None = None

    @property
    def child(self) -> Child:
        assert self._child is not None, "the agent was not started"
        return self._child

    @property
    def log(self) -> str:
        """All it has said, in all its lives."""
        return "" if self._child is None else self._child.log.read_text(encoding="utf-8", errors="replace")

    def start(self, *, until: str | None = "/readyz") -> None:
        """Start it and wait until the route ``until`` answers with success, if one is named."""
        await_ports(self.ports)
        self._child = Child.start(
            "the agent under test",
            [sys.executable, "-m", "tests.crash.crashing_agent"],
            log=self._directory / "agent.log",
            environment=self.environment,
            directory=self._directory,
        )
        if until is not None:
            self.await_ready(until)

    def await_ready(self, route: str = "/readyz") -> None:
        """Wait until ``route`` answers with success."""
        self.child.wait_until(lambda: self._answers(route), seconds=30)

    def ensure_running(self) -> None:
        """Start it unless it runs."""
        if self._child is None or not self._child.alive:
            self.start()

    def kill(self) -> None:
        """SIGKILL."""
        self.child.kill()

    def stop(self, *, seconds: float) -> int | None:
        """SIGTERM; its exit code, or None when it has not ended within ``seconds``."""
        os.kill(self.child.pid, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while self.child.alive and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.child.exit_code

    def pause(self) -> None:
        """SIGSTOP."""
        os.kill(self.child.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.child.pid, signal.SIGCONT)

    def await_pause(self) -> None:
        """Wait until the SIGSTOP that was armed has come."""

        def paused() -> None:
            assert psutil.Process(self.child.pid).status() == psutil.STATUS_STOPPED

        eventually(paused)

    def arm(self, point: Point, order: signal.Signals = signal.SIGKILL) -> None:
        """Let it send itself ``order`` when it next comes to ``point``."""
        arm(self._orders, point, order)

    def disarm(self) -> None:
        """Forget orders that were not carried out."""
        for order in self._orders.iterdir():
            order.unlink()

    def await_death(self) -> None:
        """Wait for the end that was armed."""

        def dead() -> None:
            assert self.child.exit_code == -signal.SIGKILL, self.child.log_tail()

        eventually(dead)

    def close(self) -> None:
        """End it, whatever state it is in."""
        self.http.close()
        if self._child is not None:
            self._child.kill()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``flame-node`` with this agent's settings."""
        return subprocess.run(
            [sys.executable, "-m", "flame_node_agent", *arguments],
            env=self.environment,
            cwd=self._directory,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def put(self, route: str, analysis: Analysis, name: str, content: bytes, **fields: str) -> httpx.Response:
        """PUT ``content`` as the file ``name``, as the FLAME SDK does."""
        return self.http.put(
            route,
            headers=analysis.headers,
            data=fields,
            files={"file": (name, content, "application/octet-stream")},
        )

    def accept(self, analysis: Analysis, name: str, content: bytes) -> UUID:
        """PUT /final, which must succeed; the id of the upload."""
        answer = self.put("/final", analysis, name, content)
        assert answer.status_code == 204, answer.text
        return UUID(answer.headers["X-Upload-Id"])

    def state(self, analysis: Analysis, upload: UUID) -> str:
        """GET /uploads/{id}: its state."""
        answer = self.http.get(f"/uploads/{upload}", headers=analysis.headers)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["state"])

    def await_state(self, analysis: Analysis, upload: UUID, wanted: str, *, seconds: float = 40) -> None:
        """Wait until an upload is in the state ``wanted``."""

        def there() -> None:
            state = self.state(analysis, upload)
            assert state == wanted, f"{upload} is {state}\n{self.child.log_tail()}"

        eventually(there, seconds=seconds)

    def _answers(self, route: str) -> bool:
        try:
            return self.http.get(route, timeout=2).is_success
        except httpx.HTTPError:
            return False
