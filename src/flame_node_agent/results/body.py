"""The body of a request, in the pieces in which it arrives. Nothing is read ahead: the sender waits."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from flame_node_agent.errors import Refused
from flame_node_agent.results import limits


class RequestBody:
    """Bytes straight from the ASGI server."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._more = True

    async def read(self) -> bytes:
        """Give the next bytes, or none at the end.

        Raises:
            ClientDisconnect: the client has gone before the end of the body.
            Refused: 408, nothing has come for too long.
        """
        while self._more:
            message = await self._next()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            self._more = message.get("more_body", False)
            chunk: bytes = message.get("body", b"")
            if chunk:
                return chunk
        return b""

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout(limits.STALL_SECONDS) as limit:
                return await self._receive()
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise Refused(
                408, "The request body has not been received in time", headers={"Connection": "close"}
            ) from error
