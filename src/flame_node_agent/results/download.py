"""Answers whose content is a stream: opened before the status line, closed when the last byte is out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from flame_node_agent.results import limits


class Download(StreamingResponse):
    """Content that is already open, with its first chunk at hand.

    A failure after the status line ends the connection without the end mark of the content, so that no client
    can take a part for the whole.
    """

    def __init__(
        self,
        opened: AsyncExitStack,
        first: bytes,
        rest: AsyncIterator[bytes],
        *,
        media_type: str | None,
        length: int | None,
    ) -> None:
        super().__init__(
            rest,
            media_type=media_type,
            headers=None if length is None else {"Content-Length": str(length)},
        )
        self._opened = opened
        self._first = first
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the content; stop reading when nobody listens any more."""
        gone = asyncio.create_task(_disconnected(receive))
        try:
            async with self._opened:
                await send(
                    {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
                )
                chunk: bytes | None = self._first
                while chunk is not None:
                    if gone.done():
                        # The server drops what is sent now without a word.
                        raise ClientDisconnect
                    await _taken(send, {"type": "http.response.body", "body": chunk, "more_body": True})
                    chunk = await anext(self._rest, None)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)


async def download(opening: AbstractAsyncContextManager[AsyncIterator[bytes]]) -> Download:
    """Open raw bytes and wait for the first; whatever fails up to there can still be told by a status."""
    async with AsyncExitStack() as opened:
        chunks = await opened.enter_async_context(opening)
        return await begin(opened, chunks, media_type=None, length=None)
    raise AssertionError("the block above returns or raises")


async def begin(
    opened: AsyncExitStack, chunks: AsyncIterator[bytes], *, media_type: str | None, length: int | None
) -> Download:
    """Wait for the first of ``chunks`` and take over what is ``opened`` for them.

    ``length`` is that of the content in bytes, where it is known.
    """
    if isinstance(chunks, AsyncGenerator):
        opened.push_async_callback(chunks.aclose)
    first = await anext(chunks, b"")
    return Download(opened.pop_all(), first, chunks, media_type=media_type, length=length)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _taken(send: Send, message: Message) -> None:
    """Send; a client that takes nothing any more counts as gone, or it would keep the source open for ever."""
    try:
        async with asyncio.timeout(limits.STALL_SECONDS) as limit:
            await send(message)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise ClientDisconnect from error
