"""Something that is away, and comes: an address where nobody listens until the gate is opened."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType

from flame_node_agent.devstack.ports import LOOPBACK, free_ports

_BLOCK = 64 * 1024


class Gate:
    """Leads connections to its own port on to ``target_port``, while it is open."""

    def __init__(self, target_port: int) -> None:
        self.port = free_ports(1)[0]
        self._target = (LOOPBACK, target_port)
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()

    def open(self) -> None:
        self._listener = socket.create_server((LOOPBACK, self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Stop listening and break every connection; harmless for a gate that is closed."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Gate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                incoming, _ = listener.accept()
                try:
                    outgoing = socket.create_connection(self._target)
                except OSError:
                    incoming.close()
                    continue
                for source, sink in ((incoming, outgoing), (outgoing, incoming)):
                    self._open.add(source)
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(_BLOCK):
                sink.sendall(block)
        for side in (source, sink):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
        self._open.discard(source)
        source.close()
