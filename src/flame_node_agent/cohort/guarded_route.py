"""Routes that ask who calls before they read a byte of the request, and stop working when the caller goes.

FastAPI reads and decodes the body before it looks at dependencies; so the checks stand in front of its handler.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from flame_node_agent.errors import Refused

MAX_BODY_BYTES = 262_144
"""Largest request: a query has 10,240 characters, of up to twelve bytes each in JSON."""

STALL_SECONDS = 30.0
"""Longest time for a request of that size to arrive, and for the caller to take the next piece of an answer."""

TOO_LARGE = f"The request is larger than {MAX_BODY_BYTES} bytes"

type Handler = Callable[[Request], Coroutine[Any, Any, Response]]
type Check = Callable[[Request], None]


def guarded(*checks: Check) -> type[APIRoute]:
    """Make a class of routes that first pass all ``checks``, in this order."""

    class GuardedRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            handle = super().get_route_handler()

            async def checked(request: Request) -> Response:
                for check in checks:
                    check(request)
                body = _BoundedRequest(request.scope, request.receive)
                await body.body()
                return await until_gone(request.receive, handle(body))

            return checked

    return GuardedRoute


class _BoundedRequest(Request):
    async def body(self) -> bytes:
        """Read the whole body, once.

        Raises:
            Refused: 413 or 408.
            ClientDisconnect: the caller went before its end.
        """
        if not hasattr(self, "_body"):
            announced = self.headers.get("content-length", "0")
            if announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
                raise Refused(413, TOO_LARGE)
            try:
                async with asyncio.timeout(STALL_SECONDS):
                    self._body = await self._read()
            except TimeoutError:
                raise Refused(
                    408, "The request body has not been received in time", headers={"Connection": "close"}
                ) from None
        return self._body

    async def _read(self) -> bytes:
        body = bytearray()
        async for chunk in self.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise Refused(413, TOO_LARGE)
        return bytes(body)


async def until_gone[T](receive: Receive, work: Awaitable[T]) -> T:
    """Wait for ``work``, and cancel it, with the query it waits for, when the caller goes away.

    Raises:
        ClientDisconnect: nobody waits for the answer any more.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.create_task(disconnected(receive))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        for task in (working, gone):
            task.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def disconnected(receive: Receive) -> None:
    """Return when the caller has closed the connection; only after its whole body has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass
