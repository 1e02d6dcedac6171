"""A development hub in a process of its own, and the few calls most tests make to it."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROBOT = {"id": "a0000000-0000-4000-8000-000000000001", "secret": "robot-secret"}
CLIENT = {"id": "a0000000-0000-4000-8000-000000000002", "secret": "client-secret"}
USER = {"username": "researcher", "password": "user-secret"}
PEM = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n"
NODE_WITH_KEY = "b0000000-0000-4000-8000-000000000001"
NODE_WITHOUT_KEY = "b0000000-0000-4000-8000-000000000002"
PROJECT = "c0000000-0000-4000-8000-000000000001"
ANALYSIS = "d0000000-0000-4000-8000-000000000001"
SEED: dict[str, Any] = {
    "robot": ROBOT,
    "client": CLIENT,
    "user": USER,
    "nodes": [
        {
            "id": NODE_WITH_KEY,
            "name": "north",
            "public_key_pem": PEM,
            "client_id": CLIENT["id"],
            "robot_id": ROBOT["id"],
        },
        {
            "id": NODE_WITHOUT_KEY,
            "name": "south",
            "public_key_pem": None,
            "client_id": None,
            "robot_id": None,
        },
    ],
    "projects": [{"id": PROJECT, "name": "cohort"}],
    "analyses": [{"id": ANALYSIS, "name": "mean", "project_id": PROJECT}],
    "trust": {
        "id": "e0000000-0000-4000-8000-000000000001",
        "name": "North",
        "code": "NTH",
        "region": "north",
        "api_key": "the-key-of-north",
    },
}
PASSWORD_GRANT = {"grant_type": "password", **USER}
ROBOT_GRANT = {"grant_type": "robot_credentials", **ROBOT}
CLIENT_GRANT = {
    "grant_type": "client_credentials",
    "client_id": CLIENT["id"],
    "client_secret": CLIENT["secret"],
}


@dataclass
class RunningHub:
    """A hub process on ``state_dir``; :meth:`start` it first."""

    state_dir: Path
    profile: str
    extra: tuple[str, ...] = ()
    base: str = field(default="", init=False)
    process: subprocess.Popen[str] = field(init=False)
    http: httpx.Client = field(init=False)

    def start(self, profile: str | None = None) -> RunningHub:
        """Start on a free port and wait for the ready line."""
        self.profile = profile or self.profile
        command = [sys.executable, "-m", "flame_node_agent.devstack.hub", "--state-dir", str(self.state_dir)]
        command += ["--port", "0", "--profile", self.profile, *self.extra]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ready http://127.0.0.1:"), line
        self.base = line.removeprefix("ready ").strip()
        self.http = httpx.Client(base_url=self.base, timeout=20)
        return self

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End the process with a signal; returns its exit code."""
        self.http.close()
        self.process.send_signal(how)
        code = self.process.wait(timeout=15)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def grant(self) -> dict[str, str]:
        return ROBOT_GRANT if self.profile == "0.8.21" else CLIENT_GRANT

    def log_in(self, grant: dict[str, str] | None = None) -> dict[str, str]:
        """The Authorization header of a fresh token; of the node's own account if no grant is named."""
        answer = self.http.post("/auth/token", json=grant or self.grant())
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def new_analysis(self, **order: Any) -> dict[str, Any]:
        return dict(self.http.post("/admin/analyses", json=order).json())

    def upload(
        self, bucket: str, name: str, content: bytes, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        files = {"e1b4c2f0-0000-4000-8000-000000000000": (name, content, "application/octet-stream")}
        return self.http.post(
            f"/storage/buckets/{bucket}/upload", files=files, headers=headers or self.log_in()
        )

    def uploads_of(self, analysis_id: str) -> list[dict[str, Any]]:
        return [row for row in self.http.get("/admin/uploads").json() if row["analysis_id"] == analysis_id]

    def links_of(self, analysis_id: str) -> list[dict[str, Any]]:
        return [row for row in self.http.get("/admin/links").json() if row["analysis_id"] == analysis_id]
