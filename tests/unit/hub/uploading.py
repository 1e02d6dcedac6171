"""An upload without end and what a hub may do about it: the two sides of the tests on real connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from uuid import UUID

from flame_node_agent.hub.hub import Hub
from tests.unit.hub.servers import Handler, Peer

BUCKET, FILE = UUID(int=0xB0), UUID(int=0xF1)
MEBIBYTE = 1 << 20
HUGE = 1 << 40
TOKEN = json.dumps({"access_token": "token", "expires_in": 900}).encode()


class Source:
    """Zeros without end, as far as the size goes; knows how many it gave and whether it was let go."""

    def __init__(self, size: int = HUGE) -> None:
        self.size, self.given, self.open, self.opened = size, 0, 0, 0

    async def __call__(self) -> AsyncIterator[bytes]:
        self.open += 1
        self.opened += 1
        self.given = 0
        try:
            while self.given < self.size:
                chunk = bytes(min(MEBIBYTE, self.size - self.given))
                self.given += len(chunk)
                yield chunk
                await asyncio.sleep(0)
        finally:
            self.open -= 1


def with_tokens(handle: Handler) -> Handler:
    """A hub whose token endpoint works and whose uploads go to ``handle``."""

    async def handler(peer: Peer) -> None:
        line, headers = await peer.head()
        if line.startswith("POST /token"):
            await peer.body(headers)
            await peer.answer(200, TOKEN, Connection="close")
            return
        peer.headers = headers
        await handle(peer)

    return handler


def error(status: int, code: str = "entity_conflict") -> bytes:
    return json.dumps({"statusCode": status, "code": code, "message": "no"}).encode()


def stored(size: int) -> bytes:
    file = {"id": str(FILE), "name": "r", "path": "r", "size": size, "bucket_id": str(BUCKET)}
    return json.dumps({"data": [file], "meta": {"total": 1}}).encode()


async def upload(hub: Hub, source: Callable[[], AsyncIterator[bytes]], size: int = HUGE) -> object:
    return await hub.storage.upload(BUCKET, name="r", size=size, chunks=source)


async def linger(peer: Peer) -> None:
    """Close as a careful server does: say so, then read what still comes."""
    peer.writer.write_eof()
    await peer.closed()


async def slam(peer: Peer) -> None:
    """Close with data unread, which resets the connection."""
    peer.writer.transport.abort()


async def stall(peer: Peer) -> None:
    """Neither read on nor close."""
    await asyncio.sleep(60)


async def drain(peer: Peer) -> None:
    """Read all that comes, as Node.js does after an early answer."""
    await peer.closed()
