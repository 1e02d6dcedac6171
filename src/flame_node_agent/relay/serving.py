"""The omop-relay process: passage and health, started, and stopped in order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from fastapi import FastAPI

from flame_node_agent import __version__
from flame_node_agent.config.relay import RelaySettings
from flame_node_agent.errors import SettingsError, SettingsProblem
from flame_node_agent.relay.app import create_app
from flame_node_agent.relay.passage import Passage

log = structlog.get_logger(__name__)


class Server(Protocol):
    """A server that is configured, and leaves signals to this module."""

    should_exit: bool

    async def serve(self, sockets: list[socket.socket] | None = None) -> None: ...


async def run(
    settings: RelaySettings, sockets: Sequence[socket.socket], make_server: Callable[[FastAPI], Server]
) -> None:
    """Pass connections on until SIGTERM or SIGINT; then no new ones, and those open may end within the grace period.

    Raises:
        SettingsError: nobody can listen on RELAY__PORT.
    """
    passage = Passage(settings)
    health = make_server(create_app(passage))
    passing = asyncio.create_task(passage.run())

    def stop() -> None:
        if not passing.cancelling():
            log.info("relay.stopping", grace_seconds=settings.shutdown_grace_seconds)
            passing.cancel()

    loop = asyncio.get_running_loop()
    for wanted in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(wanted, stop)
    log.info(
        "relay.started",
        version=__version__,
        host=settings.listen.host,
        port=settings.relay.port,
        server=str(settings.omop_server),
    )
    answering = asyncio.create_task(health.serve(sockets=list(sockets)))
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await passing
    except OSError as error:
        raise SettingsError(
            [SettingsProblem("RELAY__PORT", f"cannot be listened on ({error.strerror}); choose another port")]
        ) from error
    finally:
        health.should_exit = True
        await answering
        log.info("relay.stopped")
