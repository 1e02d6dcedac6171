"""The development hub as a process of its own, so that it can be taken away and brought back."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from flame_node_agent.devstack.child_server import ChildServer
from flame_node_agent.devstack.ports import LOOPBACK, await_ports
from flame_node_agent.devstack.processes import Child, clean_environment

Profile = Literal["0.8.21", "0.8.30", "0.13"]
"""The hub releases the development hub can speak like, oldest first."""

TaskRoutes = Literal["current", "named"]
"""The two generations of FLIP's task routes."""

PROFILES: tuple[Profile, ...] = get_args(Profile)

_READY_SECONDS = 30.0


@dataclass(frozen=True)
class HubUrls:
    """Where the services of one hub answer; ``api`` is FLIP's."""

    auth: str
    core: str
    storage: str
    admin: str
    api: str

    def variables(self) -> dict[str, str]:
        """The settings of the agent's result side for it."""
        return {
            "HUB__AUTH_BASE_URL": self.auth,
            "HUB__CORE_BASE_URL": self.core,
            "HUB__STORAGE_BASE_URL": self.storage,
        }


class HubServer(ChildServer):
    """One development hub over one state directory; also after SIGKILL it starts again on the same state."""

    title = "the development hub"

    def __init__(
        self, directory: Path, *, port: int, profile: Profile, task_options: Sequence[str] = ()
    ) -> None:
        """``task_options`` are options of its command line for FLIP's side."""
        super().__init__()
        self.directory = directory
        self.profile = profile
        base = f"http://{LOOPBACK}:{port}"
        self.urls = HubUrls(
            auth=f"{base}/auth",
            core=f"{base}/core",
            storage=f"{base}/storage",
            admin=f"{base}/admin",
            api=f"{base}/api",
        )
        self._port = port
        self._task_options = tuple(task_options)

    def start(self) -> None:
        """Start it; returns when it says it is ready. StackError when it does not."""
        await_ports([self._port])
        self.directory.mkdir(parents=True, exist_ok=True)
        said_before = self._log.stat().st_size if self._log.exists() else 0
        options = ["--state-dir", str(self.directory), "--port", str(self._port), "--profile", self.profile]
        self._child = Child.start(
            self.title,
            [sys.executable, "-m", "flame_node_agent.devstack.hub", *options, *self._task_options],
            log=self._log,
            environment=clean_environment(PYTHONUNBUFFERED="1"),
        )
        self._child.wait_until(lambda: self._says_ready(said_before), seconds=_READY_SECONDS)

    @property
    def _log(self) -> Path:
        return self.directory / "hub.log"

    def _says_ready(self, offset: int) -> bool:
        with self._log.open("rb") as log:
            log.seek(offset)
            return any(line.startswith(b"ready http") for line in log)
