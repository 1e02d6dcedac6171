"""Disturbances on order: the hub answers wrongly, late, half, or not at all.

Faults live in memory; a restarted hub has none. Which requests a fault meets is decided when their headers have
arrived, and that is also when its ``count`` goes down.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import uuid
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flame_node_agent.devstack.hub.flip_errors import is_flip
from flame_node_agent.devstack.hub.profile import Profile
from flame_node_agent.devstack.hub.refusals import error_body

_ORDERED = "A fault was ordered."
_GLOB_SIGNS = frozenset("*?[")
_HTML = "<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>nginx</body></html>"


class FaultOrder(BaseModel):
    """What ``POST /admin/faults`` takes.

    ``match`` is a part of, or a glob for, ``"METHOD /path"``. ``count`` is how many requests it meets (None: until it
    is deleted). ``latency`` (seconds) may stand alone or come before one of:

    * ``status``: that status, with the release's error JSON or, with ``html``, a proxy's page; ``headers`` are added;
    * ``disconnect``: the connection breaks after that many bytes of the request's body, or of the answer's for GET;
    * ``down``: the connection is reset at once;
    * ``lose_reply``: the request is carried out, and then the connection is reset instead of an answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    match: str = Field(min_length=1)
    count: int | None = Field(default=None, ge=1)
    latency: float = Field(default=0, ge=0)
    status: int | None = Field(default=None, ge=200, le=599)
    html: bool = False
    headers: dict[str, str] = Field(default_factory=dict)
    disconnect: int | None = Field(default=None, ge=0)
    down: bool = False
    lose_reply: bool = False

    @model_validator(mode="after")
    def _one_way_to_fail(self) -> FaultOrder:
        ways = [self.status is not None, self.disconnect is not None, self.down, self.lose_reply]
        if sum(ways) > 1 or not (any(ways) or self.latency):
            raise ValueError("exactly one of status, disconnect, down, lose_reply; or latency")
        return self

    def meets(self, request: str) -> bool:
        if _GLOB_SIGNS.isdisjoint(self.match):
            return self.match in request
        return fnmatchcase(request, self.match)


@dataclass
class Fault:
    """An order in force. ``left`` is None for one without end; ``hits`` counts the requests it met."""

    order: FaultOrder
    left: int | None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    hits: int = 0

    def describe(self) -> dict[str, Any]:
        return {**self.order.model_dump(mode="json"), "id": self.id, "left": self.left, "hits": self.hits}


class Faults:
    """The faults in force, oldest first; a request meets the first that matches it."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._faults: list[Fault] = []

    def add(self, order: FaultOrder) -> Fault:
        fault = Fault(order, left=order.count)
        self._faults.append(fault)
        return fault

    def list(self) -> list[dict[str, Any]]:
        return [fault.describe() for fault in self._faults]

    def clear(self) -> None:
        self._faults.clear()

    def remove(self, fault_id: str) -> bool:
        before = len(self._faults)
        self._faults = [fault for fault in self._faults if fault.id != fault_id]
        return len(self._faults) < before

    def take(self, request: str) -> FaultOrder | None:
        """The order that ``"METHOD /path"`` meets now, counted."""
        for fault in self._faults:
            if fault.left != 0 and fault.order.meets(request):
                fault.hits += 1
                if fault.left is not None:
                    fault.left -= 1
                return fault.order
        return None


class FaultInjection:
    """ASGI middleware that carries the faults out; the admin API is never disturbed."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        order = None
        if scope["type"] == "http" and not scope["path"].startswith("/admin"):
            order = self._faults.take(f"{scope['method']} {scope['path']}")
        if order is None:
            await self._app(scope, receive, send)
            return
        if order.latency:
            await asyncio.sleep(order.latency)
        transport: asyncio.Transport = scope["state"]["transport"]
        if order.down:
            await _break(transport, receive)
        elif order.status is not None:
            await self._answer(order, order.status, scope["path"])(scope, receive, send)
        elif order.lose_reply:
            await self._app(scope, receive, _swallow)
            await _break(transport, receive)
        elif order.disconnect is not None:
            meter = _Meter(transport, order.disconnect)
            if scope["method"] == "GET":
                await self._app(scope, receive, meter.over_sent(send))
            else:
                await self._app(scope, meter.over_received(receive), send)
        else:
            await self._app(scope, receive, send)

    def _answer(self, order: FaultOrder, status: int, path: str) -> Response:
        if order.html:
            return HTMLResponse(_HTML.format(status=status), status, headers=order.headers)
        if is_flip(path):
            return JSONResponse({"detail": _ORDERED}, status, headers=order.headers)
        body = error_body(self._faults.profile, status, _ORDERED, None, [])
        return JSONResponse(body, status, headers=order.headers)


class _Meter:
    """Breaks the connection once ``limit`` bytes have passed."""

    def __init__(self, transport: asyncio.Transport, limit: int) -> None:
        self._transport = transport
        self._left = limit

    def over_received(self, receive: Receive) -> Receive:
        async def metered() -> Message:
            message = await receive()
            self._left -= len(message.get("body", b""))
            if self._left < 0 or (self._left == 0 and message.get("more_body")):
                reset(self._transport)
                return {"type": "http.disconnect"}
            return message

        return metered

    def over_sent(self, send: Send) -> Send:
        async def metered(message: Message) -> None:
            body: bytes = message.get("body", b"")
            if len(body) > self._left or (not self._left and message["type"] == "http.response.body"):
                # Closed, not reset, so that what came before the break does arrive.
                await send({**message, "body": body[: self._left], "more_body": True})
                self._transport.close()
                self._left = 0
                return
            self._left -= len(body)
            await send(message)

        return metered


async def _swallow(message: Message) -> None:
    """An answer that nobody will see."""


async def _break(transport: asyncio.Transport, receive: Receive) -> None:
    """Reset the connection and wait until the server has noticed, so that it expects no answer any more."""
    reset(transport)
    while (await receive())["type"] != "http.disconnect":
        pass


def reset(transport: asyncio.Transport) -> None:
    """Break the connection so that the peer sees a reset (SO_LINGER 0), whatever is still in the buffers."""
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is not None and not transport.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
