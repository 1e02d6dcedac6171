"""TCP connections on plain sockets, for clients that must still hear the other side when it hears them no more.

asyncio's transports throw away what has arrived as soon as a write fails. The kernel does not: what a server wrote
before it reset the connection can still be read from the socket. So these connections read and write the socket
themselves, and a failed or stopped write leaves reading, and the state of a TLS layer above, as they were.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable, Mapping
from typing import Any

import anyio
from aiohappyeyeballs import start_connection
from anyio.abc import ByteStream, SocketAttribute

ATTEMPT_DELAY_SECONDS = 0.25
"""How long one address may take before the next one is tried beside it (RFC 8305, section 8)."""


class Socket(ByteStream):
    """One TCP connection as a stream of anyio, which layers TLS above it."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._loop = asyncio.get_running_loop()
        self._turn = asyncio.Lock()
        self._sending: anyio.CancelScope | None = None
        self._mute = False

    @classmethod
    async def connect(cls, host: str, port: int) -> Socket:
        """Connect to whichever address of ``host`` answers first; raises OSError."""
        loop = asyncio.get_running_loop()
        addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        connected = await start_connection(
            addresses, happy_eyeballs_delay=ATTEMPT_DELAY_SECONDS, interleave=1
        )
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(connected)

    @property
    def is_mute(self) -> bool:
        """Whether a write was interrupted or failed; nothing is sent any more, and nothing said about it."""
        return self._mute

    @property
    def is_readable(self) -> bool:
        """Whether something has arrived, or the end; on an idle connection both mean that it is of no use any more."""
        if self._socket.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def interrupt(self) -> None:
        """End the write that is under way, if there is one, as if all of it had gone out."""
        if self._sending is not None:
            self._mute = True
            self._sending.cancel()

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Wait for data; raises anyio.EndOfStream or anyio.BrokenResourceError."""
        await asyncio.sleep(0)  # a socket that is always ready would keep the loop from everybody else
        try:
            data = await self._loop.sock_recv(self._socket, max_bytes)
        except OSError as error:
            raise anyio.BrokenResourceError from error
        if not data:
            raise anyio.EndOfStream
        return data

    async def send(self, item: bytes) -> None:
        """Send all of it, or find out that nobody listens: then :attr:`is_mute` says so, and nothing is raised."""
        async with self._turn:  # TLS may answer a message of the other side in the midst of ours
            if self._mute:
                return
            with anyio.CancelScope() as self._sending:
                try:
                    await self._loop.sock_sendall(self._socket, item)
                except OSError:
                    self._mute = True
            self._sending = None
        await asyncio.sleep(0)

    async def send_eof(self) -> None:
        """Say that nothing more will be sent."""
        self._socket.shutdown(socket.SHUT_WR)

    async def aclose(self) -> None:
        """Close at once."""
        self.interrupt()
        self._socket.close()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        """What anyio lets ask of a connection."""
        return {SocketAttribute.raw_socket: lambda: self._socket}
