"""An ASGI application on a loopback port, served from a thread of this process: it cannot outlive it."""

from __future__ import annotations

import socket
import threading
import time

import uvicorn
from fastapi import FastAPI

from flame_node_agent.devstack.ports import LOOPBACK
from flame_node_agent.devstack.processes import StackError

_START_SECONDS = 10.0


class ServerThread:
    """Serves ``app`` on ``port`` between :meth:`start` and :meth:`stop`; both may be repeated."""

    def __init__(self, app: FastAPI, *, port: int) -> None:
        self._app = app
        self._port = port
        self._running: tuple[uvicorn.Server, threading.Thread] | None = None

    def start(self) -> None:
        """Listen; StackError if the port is taken."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, self._port))
        except OSError as error:
            listener.close()
            raise StackError(f"port {self._port} is taken by another process") from error
        config = uvicorn.Config(self._app, log_config=None, access_log=False, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, args=([listener],), name=f"http-{self._port}", daemon=True
        )
        thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not server.started:
            if time.monotonic() > deadline or not thread.is_alive():
                raise StackError(f"nothing serves port {self._port} after {_START_SECONDS:.0f} s")
            time.sleep(0.01)
        self._running = (server, thread)

    def stop(self) -> None:
        """Close the port and all connections."""
        if self._running is not None:
            server, thread = self._running
            server.should_exit = server.force_exit = True
            thread.join()
            self._running = None
