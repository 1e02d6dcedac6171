"""``flame-node relay`` as a child process that leads to one port of this machine."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

from flame_node_agent.devstack.ports import LOOPBACK, free_ports
from flame_node_agent.devstack.service_server import ServiceServer


class RelayProcess(ServiceServer):
    """One relay; ``port`` is where it takes connections."""

    title = "omop-relay"
    name = "relay"

    def __init__(self, directory: Path, server_port: int, **settings: str) -> None:
        self.port, health = free_ports(2)
        super().__init__(directory, env_file=directory / "relay.env", ports=(health,))
        directory.mkdir(parents=True, exist_ok=True)
        self.write_settings(
            {
                "OMOP_SERVER": f"{LOOPBACK}:{server_port}",
                "RELAY__PORT": str(self.port),
                "LISTEN__HOST": LOOPBACK,
                "LISTEN__PORTS": str(health),
                "LOG__FORMAT": "json",
                "LOG__LEVEL": "DEBUG",
                **settings,
            }
        )

    def start(self) -> None:
        """Start it; returns when it answers, whether or not its server is there."""
        self.launch("/health")

    def open(self) -> bool:
        """Whether it takes connections."""
        with socket.socket() as probe:
            probe.settimeout(5)
            return probe.connect_ex((LOOPBACK, self.port)) == 0

    def readiness(self) -> tuple[int, Any]:
        """What it says of its server."""
        answer = httpx.get(f"{self.url}/readyz", trust_env=False, timeout=20)
        return answer.status_code, answer.json()

    def events(self, name: str) -> list[dict[str, Any]]:
        """What it has logged under this name."""
        lines = (self.directory / "relay.log").read_text("utf-8").splitlines()
        told = [json.loads(line) for line in lines if line.startswith("{")]
        return [each for each in told if each["event"] == name]

    @property
    def process(self) -> psutil.Process:
        """The process itself, to be looked at."""
        return psutil.Process(self.child.pid)

    def sockets(self) -> int:
        """How many connections it holds."""
        return len([each for each in self.process.net_connections("tcp") if each.status != "LISTEN"])


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for a condition, which may block a little."""
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.05)
