"""A forward proxy of the test's own, as hospitals put them between their machines and the internet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.unit.hub.servers import Peer, serving


class Proxy:
    """A forward proxy that remembers what it was asked, and by whom."""

    def __init__(self, refuses: bool = False) -> None:
        self.lines: list[str] = []
        self.credentials: list[str | None] = []
        self.refuses = refuses

    async def __call__(self, peer: Peer) -> None:
        while True:
            line, headers = await peer.head()
            self.lines.append(line)
            self.credentials.append(headers.get("proxy-authorization"))
            if self.refuses:
                await peer.answer(407, b"<h1>407</h1>", "text/html")
            elif line.startswith("CONNECT "):
                await peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
                return await self._tunnel(peer, line.split()[1])
            else:
                await peer.body(headers)
                await peer.answer(200, b'{"through": "proxy"}')

    async def _tunnel(self, peer: Peer, target: str) -> None:
        host, _, port = target.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(1 << 16):
                sink.write(data)
                await sink.drain()

        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(copy(peer.reader, writer))
                both.create_task(copy(reader, peer.writer))
        except* ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def proxied(**behaviour: bool) -> AsyncIterator[tuple[Proxy, str]]:
    proxy = Proxy(**behaviour)
    async with serving(proxy) as server:
        yield proxy, f"127.0.0.1:{server.port}"
