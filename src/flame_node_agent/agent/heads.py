"""Connections whose request heads are bounded in size and time.

Neither httptools nor uvicorn's protocol on top of it bounds what a client may send before the application hears of a
request, or as trailers after the body: whoever can connect could fill the memory, or hold sockets for ever, without a
token.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = structlog.get_logger(__name__)

MAX_HEAD_BYTES = 64 * 1024
"""As in uvicorn's other protocol, h11. What arrives in one read may come on top."""
HEAD_SECONDS = 75.0
"""From the connection, or the first byte of a further request, to the end of the request's head."""


class BoundedHeads(HttpToolsProtocol):
    """uvicorn's protocol, which gives up clients that never come to the point."""

    _unparsed = 0
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Expect a request within its time."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing any more."""
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come, and see whether it has led anywhere."""
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > MAX_HEAD_BYTES and not self.transport.is_closing():
            log.info("connection.cut", reason="a head or trailers without end")
            if self.cycle is None or self.cycle.response_complete:
                self.send_400_response("The request head is too large.")
            else:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """A request begins; the first one of a connection is expected already."""
        super().on_message_begin()
        if self._late is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """The application gets the request."""
        self._head_is_there()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Content is the application's to bound."""
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """What comes now is the next request."""
        self._unparsed = 0
        super().on_message_complete()

    def _expect_head(self) -> None:
        self._late = self.loop.call_later(HEAD_SECONDS, self._cut_late)

    def _head_is_there(self) -> None:
        self._unparsed = 0
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _cut_late(self) -> None:
        self._late = None
        log.info("connection.cut", reason="no request in time")
        self.transport.abort()
