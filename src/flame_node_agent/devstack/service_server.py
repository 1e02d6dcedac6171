"""A service of the node under the development stack: a `flame-node` command as a child, with its settings in a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import httpx

from flame_node_agent.devstack.child_server import ChildServer
from flame_node_agent.devstack.ports import LOOPBACK, await_ports
from flame_node_agent.devstack.private_files import write_private
from flame_node_agent.devstack.processes import Child, clean_environment

_READY_SECONDS = 60.0


class ServiceServer(ChildServer):
    """One process of the product whose settings all come from ``env_file``."""

    grace_seconds = 15.0
    name: ClassVar[str]
    """The `flame-node` command."""

    def __init__(self, directory: Path, *, env_file: Path, ports: tuple[int, ...]) -> None:
        super().__init__()
        self.directory = directory
        self.env_file = env_file.absolute()
        self.ports = ports

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{LOOPBACK}:{self.ports[0]}"

    @property
    def command(self) -> list[str]:
        """Starts it with these settings, in any folder and from an empty environment."""
        python = [sys.executable, "-m", "flame_node_agent", self.name, "--env-file", str(self.env_file)]
        path = os.environ.get("PYTHONPATH")
        if not path:
            return python
        absolute = os.pathsep.join(str(Path(folder).absolute()) for folder in path.split(os.pathsep))
        return ["/usr/bin/env", f"PYTHONPATH={absolute}", *python]

    def write_settings(self, settings: Mapping[str, str]) -> None:
        """Put the settings into the file, readable by their owner only."""
        lines = (f"{name}={_quoted(value)}\n" for name, value in settings.items())
        write_private(self.env_file, "".join(lines))

    def launch(self, route: str) -> None:
        """Start it; returns when ``route`` answers with success. StackError if it does not."""
        await_ports(self.ports)
        self.directory.mkdir(parents=True, exist_ok=True)
        self._child = Child.start(
            self.title,
            self.command,
            log=self.directory / f"{self.name}.log",
            environment=clean_environment(PYTHONUNBUFFERED="1"),
            directory=self.directory,
        )
        with httpx.Client(base_url=self.url, trust_env=False, timeout=2) as client:
            self._child.wait_until(lambda: _answers(client, route), seconds=_READY_SECONDS)


def _answers(client: httpx.Client, route: str) -> bool:
    try:
        return client.get(route).is_success
    except httpx.HTTPError:
        return False


def _quoted(value: str) -> str:
    r"""A value without $ as python-dotenv reads it between single quotes, where only \\ and \' are special."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
