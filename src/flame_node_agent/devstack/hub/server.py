"""Serving the hub in the foreground until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from flame_node_agent.devstack.hub.app import create_app
from flame_node_agent.devstack.hub.profile import Profile
from flame_node_agent.devstack.hub.state import Hub
from flame_node_agent.devstack.hub.task_side import TaskOptions


class HubProtocol(HttpToolsProtocol):
    """Shows each request its connection, so that a fault can break it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["transport"] = self.transport


class HubServer(uvicorn.Server):
    """Says ``ready`` on stdout when it listens, and ends quietly on a signal."""

    def __init__(self, config: uvicorn.Config, base_url: str) -> None:
        super().__init__(config)
        self._base_url = base_url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write(f"ready {self._base_url}\n")
        sys.stdout.flush()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own would raise the signal again after the shutdown, and the exit code would tell of a crash.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def serve(
    state_dir: Path, host: str, port: int, profile: Profile, token_seconds: int, task_options: TaskOptions
) -> None:
    """Run the hub until it is told to stop; ``port`` 0 takes a free one. OSError if the port is taken."""
    listening = socket.create_server((host, port))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(listening, state_dir, profile, token_seconds, task_options))


async def _serve(
    listening: socket.socket, state_dir: Path, profile: Profile, token_seconds: int, task_options: TaskOptions
) -> None:
    hub = await Hub.open(state_dir, profile, token_seconds, task_options)
    host, port = listening.getsockname()[:2]
    options: dict[str, Any] = {
        "access_log": False,
        "log_config": None,
        "lifespan": "off",
        "server_header": False,
    }
    config = uvicorn.Config(
        create_app(hub),
        http=HubProtocol,
        ws="none",
        timeout_graceful_shutdown=3,
        timeout_keep_alive=30,
        **options,
    )
    try:
        await HubServer(config, f"http://{host}:{port}").serve([listening])
    finally:
        await hub.close()
