"""Connections that listen while they send.

An HTTP/1.1 client that sends a whole file before it reads anything learns of a refusal only at the end, or never: a
server that closes early resets the connection (RFC 9112, section 9.5, wants clients to watch for that). Here a read
is under way from the second write of a request on. As soon as there is an answer, sending stops with
:class:`httpcore.WriteError`, which httpcore takes as the sign to go on and read the answer.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import anyio
import httpcore
from anyio.abc import ByteStream
from anyio.streams.tls import TLSAttribute, TLSStream

from flame_node_agent.hub.sockets import Socket

READ_BYTES = 64 * 1024
BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError, ssl.SSLError, OSError)


class ListeningBackend(httpcore.AsyncNetworkBackend):
    """Opens TCP connections that listen while they send."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect within ``timeout`` seconds; the pools of this agent ask for no address or options of their own."""
        try:
            async with asyncio.timeout(timeout):
                connected = await Socket.connect(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except (OSError, UnicodeError) as error:  # the latter from names no resolver would take
            raise httpcore.ConnectError(str(error)) from error
        return ListeningStream(connected, connected)

    async def sleep(self, seconds: float) -> None:
        """Wait, for httpcore's own connection retries."""
        await asyncio.sleep(seconds)


class ListeningStream(httpcore.AsyncNetworkStream):
    """One connection, plain or within TLS."""

    def __init__(self, stream: ByteStream, connection: Socket) -> None:
        self._stream = stream
        self._connection = connection
        self._writes = 0
        self._answered = False
        self._listening: asyncio.Task[bytes] | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has come, or comes within ``timeout`` seconds; what was heard while sending comes first."""
        self._writes = 0
        try:
            async with asyncio.timeout(timeout):
                if self._listening is None:
                    return await self._receive(max_bytes)
                heard = await asyncio.shield(self._listening)
        except TimeoutError as error:
            raise httpcore.ReadTimeout from error
        self._listening, self._answered = None, False
        return heard

    async def _receive(self, max_bytes: int) -> bytes:
        try:
            return await self._stream.receive(max_bytes)
        except anyio.EndOfStream:
            return b""
        except BROKEN as error:
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send ``buffer``; raises httpcore.WriteError as soon as the other side has answered or hung up."""
        if not buffer:
            return
        self._writes += 1
        if self._answered:
            raise httpcore.WriteError("the other side has answered already")
        if self._writes == 2 and self._listening is None:  # 1 was the head, mostly all there is of a request
            self._listening = asyncio.create_task(self._receive(READ_BYTES))
            self._listening.add_done_callback(self._heard)
        try:
            async with asyncio.timeout(timeout):
                await self._stream.send(buffer)
        except TimeoutError as error:
            raise httpcore.WriteTimeout from error
        except BROKEN as error:
            raise httpcore.WriteError(str(error)) from error
        if self._connection.is_mute:
            raise httpcore.WriteError("the other side has answered, or hung up")

    def _heard(self, listening: asyncio.Task[bytes]) -> None:
        """Stop sending on an answer or an end; "100 Continue" and its like are no answers yet."""
        if listening.cancelled():
            return
        if listening.exception() is not None or not listening.result().startswith(b"HTTP/1.1 1"):
            self._answered = True
            self._connection.interrupt()

    async def aclose(self) -> None:
        """Close at once, in the middle of whatever is under way."""
        listening, self._listening = self._listening, None
        try:
            if listening is not None:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
        finally:
            with suppress(*BROKEN):
                await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Go on within TLS: straight after connecting, or through the tunnel of a proxy."""
        try:
            async with asyncio.timeout(timeout):
                secured = await TLSStream.wrap(
                    self._stream,
                    ssl_context=ssl_context,
                    hostname=server_hostname,
                    server_side=False,
                    standard_compatible=False,
                )
        except BaseException as error:
            await self._connection.aclose()
            if isinstance(error, TimeoutError):
                raise httpcore.ConnectTimeout from error
            if isinstance(error, (*BROKEN, anyio.EndOfStream)):
                raise httpcore.ConnectError(str(error) or "the TLS handshake was cut off") from error
            raise
        return ListeningStream(secured, self._connection)

    def get_extra_info(self, info: str) -> Any:
        """Whether an idle connection has become readable, and the TLS connection with the server's certificate.

        What else httpcore can ask is about HTTP/2 and upgrades.
        """
        if info == "ssl_object":
            return self._stream.extra(TLSAttribute.ssl_object, None)  # noqa: S610 - of anyio, not of Django
        return self._connection.is_readable if info == "is_readable" else None
