"""Answers that are written while the rows arrive: opened before the status line, closed when the last byte is out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from flame_node_agent.cohort.guarded_route import STALL_SECONDS, disconnected


class StreamedJson(Response):
    """JSON that has begun: its first piece is at hand, so nothing has been refused.

    A failure from here on ends the connection without the end mark of the content: no client can take a part for
    the whole. The query behind it ends when the client goes, or takes nothing for too long.
    """

    media_type = "application/json"

    def __init__(self, opened: AsyncExitStack, first: bytes, rest: AsyncIterator[bytes]) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._opened = opened
        self._first = first
        self._rest = rest

    @classmethod
    async def begin(cls, chunks: AsyncGenerator[bytes]) -> StreamedJson:
        """Wait for the first piece; whatever fails up to there can still be told by a status."""
        async with AsyncExitStack() as opened:
            await opened.enter_async_context(aclosing(chunks))
            first = await anext(chunks, b"")
            return cls(opened.pop_all(), first, chunks)
        raise AssertionError("the block above returns or raises")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the content."""
        gone = asyncio.create_task(disconnected(receive))
        try:
            async with self._opened:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                chunk: bytes | None = self._first
                while chunk is not None:
                    if gone.done():
                        raise ClientDisconnect  # the server drops what is sent now without a word
                    await _taken(send, {"type": "http.response.body", "body": chunk, "more_body": True})
                    chunk = await anext(self._rest, None)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)


async def _taken(send: Send, message: Message) -> None:
    try:
        async with asyncio.timeout(STALL_SECONDS) as limit:
            await send(message)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise ClientDisconnect from error
