"""Connections that listen while they send.

An HTTP/1.1 client that sends a whole file before it reads anything learns of a refusal only at the end, or never: a
server that closes early resets the connection, and the answer it had already written is lost with it (RFC 9112,
section 9.5, wants clients to monitor the connection for that reason). Here a read is under way from the second write
of a request on. As soon as an answer is there, sending stops with :class:`httpcore.WriteError`, which httpcore takes
as the sign to go on and read the answer.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any

import anyio
import httpcore

READ_BYTES = 64 * 1024


class ListeningBackend(httpcore.AsyncNetworkBackend):
    """Opens TCP connections that listen while they send."""

    def __init__(self) -> None:
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect; raises httpcore.ConnectError or httpcore.ConnectTimeout."""
        stream = await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        return ListeningStream(stream)

    async def sleep(self, seconds: float) -> None:
        """Wait, for httpcore's own connection retries."""
        await self._inner.sleep(seconds)


class ListeningStream(httpcore.AsyncNetworkStream):
    """One connection, plain or within TLS."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self._writes = 0
        self._listening: asyncio.Task[bytes] | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has come, or comes within ``timeout`` seconds; what was heard while sending comes first."""
        self._writes = 0
        if self._listening is None:
            return await self._inner.read(max_bytes, timeout)
        done, _ = await asyncio.wait({self._listening}, timeout=timeout)
        if not done:
            raise httpcore.ReadTimeout
        heard, self._listening = self._listening, None
        return heard.result()

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send ``buffer``; raises httpcore.WriteError as soon as the other side has answered or hung up."""
        if not buffer:
            return
        self._writes += 1
        if self._writes == 1:  # the head of a request, mostly all there is of it
            await self._inner.write(buffer, timeout)
            return
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())
            # Let it hear what is there already: a write to a connection that was reset would throw that away.
            await asyncio.sleep(0)
        await self._write_unless_heard(self._listening, buffer, timeout)

    async def _write_unless_heard(
        self, listening: asyncio.Task[bytes], buffer: bytes, timeout: float | None
    ) -> None:
        with anyio.CancelScope() as sending:

            def stop(heard: asyncio.Task[bytes]) -> None:
                if _is_final(heard):
                    sending.cancel()

            if _is_final(listening):
                raise httpcore.WriteError("the other side has answered already")
            listening.add_done_callback(stop)
            try:
                await self._inner.write(buffer, timeout)
            finally:
                listening.remove_done_callback(stop)
        if sending.cancelled_caught:
            raise httpcore.WriteError("the other side answered before it had everything")

    async def _listen(self) -> bytes:
        try:
            return await self._inner.read(READ_BYTES)
        except anyio.BusyResourceError as error:  # TLS wanted to write at the very same time
            raise httpcore.ReadError("the TLS layer is busy") from error

    async def aclose(self) -> None:
        """Close at once, in the middle of whatever is under way."""
        listening, self._listening = self._listening, None
        try:
            if listening is not None:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
        finally:
            await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Go on within TLS: straight after connecting, or through the tunnel of a proxy."""
        return ListeningStream(await self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks of the connection, above all whether an idle one has become readable."""
        return self._inner.get_extra_info(info)


def _is_final(listening: asyncio.Task[bytes]) -> bool:
    """Whether an answer has come, or an end; "100 Continue" and its like are no answers yet."""
    if not listening.done() or listening.cancelled():
        return False
    return listening.exception() is not None or not listening.result().startswith(b"HTTP/1.1 1")
