"""The body of a request, in the pieces in which it arrives. Nothing is read ahead: the sender waits."""

from __future__ import annotations

from starlette.requests import ClientDisconnect
from starlette.types import Receive


class RequestBody:
    """Bytes straight from the ASGI server."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._more = True

    async def read(self) -> bytes:
        """Give the next bytes, or none at the end.

        :raises ClientDisconnect: the client has gone before the end of the body
        """
        while self._more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            self._more = message.get("more_body", False)
            chunk: bytes = message.get("body", b"")
            if chunk:
                return chunk
        return b""
