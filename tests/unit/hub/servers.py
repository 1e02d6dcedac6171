"""Servers that do on the wire exactly what a test tells them, and nothing else."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Handler = Callable[["Peer"], Awaitable[None]]


@dataclass
class Peer:
    """One connection, seen from the server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    headers: dict[str, str] = field(default_factory=dict)

    async def head(self) -> tuple[str, dict[str, str]]:
        """Read a request line and the headers, names in lower case."""
        line, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        return line, {k.lower(): v.strip() for k, _, v in (h.partition(":") for h in lines if h)}

    async def body(self, headers: dict[str, str]) -> bytes:
        """Read a body of known length."""
        return await self.reader.readexactly(int(headers.get("content-length", 0)))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(
        self, status: int, body: bytes = b"", kind: str = "application/json", **headers: str
    ) -> None:
        """Send a complete answer."""
        lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", f"Content-Type: {kind}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.send("\r\n".join([*lines, "", ""]).encode() + body)

    async def closed(self) -> bool:
        """Wait for the other side to hang up."""
        try:
            while await self.reader.read(1 << 20):
                pass
        except ConnectionError:
            pass
        return True


@dataclass
class RawServer:
    """A listening server and the connections it has had."""

    handler: Handler
    scheme: str = "http"
    port: int = 0
    connections: int = 0
    failures: list[BaseException] = field(default_factory=list)
    running: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.running.add(task)
        try:
            await self.handler(Peer(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except (AssertionError, LookupError, TypeError, ValueError) as error:
            self.failures.append(error)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self.running.discard(task)
            writer.close()


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """Run ``handler`` for each connection to a port of its own."""
    raw = RawServer(handler, "https" if tls else "http")
    server = await asyncio.start_server(raw._serve, "127.0.0.1", 0, ssl=tls)
    raw.port = server.sockets[0].getsockname()[1]
    try:
        yield raw
    finally:
        server.close()
        for task in list(raw.running):
            task.cancel()
        await asyncio.gather(*raw.running, return_exceptions=True)
    assert raw.failures == []


async def hello(peer: Peer) -> None:
    """Answer every request with JSON, on and on."""
    while True:
        _, headers = await peer.head()
        await peer.body(headers)
        await peer.answer(
            200, json.dumps({"cookie": headers.get("cookie")}).encode(), Set_Cookie="a=b; Path=/"
        )
