"""The HTTP server of the agent: one uvicorn server on all configured ports."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Generator

import uvicorn
from fastapi import FastAPI

from flame_node_agent.agent.heads import BoundedHeads
from flame_node_agent.config.shared import ProcessSettings
from flame_node_agent.errors import SettingsError, SettingsProblem

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 75


class Server(uvicorn.Server):
    """Leaves signals to the agent, which has more to stop than a server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Install no handlers."""
        yield


def make_server(app: FastAPI, settings: ProcessSettings) -> Server:
    """A server that is configured but does not listen yet."""
    return Server(
        uvicorn.Config(
            app,
            http=BoundedHeads,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, int(settings.shutdown_grace_seconds) - 2),
        )
    )


def bind(settings: ProcessSettings) -> list[socket.socket]:
    """Listen on every configured port.

    Raises:
        SettingsError: naming the variable, when the address is not this machine's or a port cannot be had.
    """
    sockets: list[socket.socket] = []
    for port in settings.listen.ports:
        family = socket.AF_INET6 if ":" in settings.listen.host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((settings.listen.host, port))
        except OSError as error:
            listening.close()
            for other in sockets:
                other.close()
            raise SettingsError([_problem(settings.listen.host, port, error)]) from error
        listening.setblocking(False)
        sockets.append(listening)
    return sockets


def _problem(host: str, port: int, error: OSError) -> SettingsProblem:
    if error.errno == errno.EADDRINUSE:
        return SettingsProblem("LISTEN__PORTS", f"port {port} is taken; choose ports that nobody listens on")
    if error.errno == errno.EACCES:
        return SettingsProblem("LISTEN__PORTS", f"port {port} is for privileged users; choose one above 1023")
    return SettingsProblem(
        "LISTEN__HOST", f"cannot listen on {host} ({error.strerror}); give an address of this host"
    )
