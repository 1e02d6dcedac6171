"""Requests to this process and its answers, counted while they pass; and the last net under them.

Plain ASGI: nothing is buffered, and a request costs no task of its own. What is told about a request each service
says by itself, as each has other things that must not be told.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod

from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

UNKNOWN_ROUTE = "unknown"
CLIENT_GONE = 499
"""nginx' status for a client that has closed the connection before there was an answer."""

_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"})


class Exchange:
    """One request and its answer; sizes are bytes of the bodies."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.method = scope["method"] if scope["method"] in _METHODS else "other"
        self.received = 0
        self.sent = 0
        self.complete = False
        """Whether the answer has been sent to its end."""
        self._status = 0
        self._receive = receive
        self._send = send
        self._started = time.perf_counter()

    @property
    def begun(self) -> bool:
        """Whether the client has the status line, so that no other answer can be given."""
        return self._status > 0

    @property
    def status(self) -> int:
        """The status of the answer; 499 when there was none."""
        return self._status or CLIENT_GONE

    @property
    def route(self) -> str:
        """The path as it is declared, without what the client has put into it."""
        path = getattr(self.scope.get("route"), "path", None)
        return UNKNOWN_ROUTE if path is None else path.rstrip("/") or "/"

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.perf_counter() - self._started

    async def receive(self) -> Message:
        """Hand on a piece of the request."""
        message = await self._receive()
        if message["type"] == "http.request":
            self.received += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        """Hand on a piece of the answer."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
        elif message["type"] == "http.response.body":
            self.sent += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
        await self._send(message)


class RequestLog(ABC):
    """Middleware around a whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request and tell about it.

        What nobody has foreseen becomes a 500; an answer that has begun is left without its end, so that the server
        cuts the connection.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            pass
        except Exception as error:  # noqa: BLE001 - the last net: logged by the service, once, and counted as a 500
            self.failed(exchange, error)
            if not exchange.begun:
                headers = {"Connection": "close"}
                answer = PlainTextResponse("Internal Server Error", status_code=500, headers=headers)
                await answer(scope, exchange.receive, exchange.send)
        finally:
            self.finished(exchange)

    @abstractmethod
    def finished(self, exchange: Exchange) -> None:
        """Tell about a request that is over, however it ended."""

    @abstractmethod
    def failed(self, exchange: Exchange, error: Exception) -> None:
        """Tell about an error that nobody has caught."""
