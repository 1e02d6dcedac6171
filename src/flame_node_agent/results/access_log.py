"""One log line and one set of numbers for each request; and the last net under it.

Plain ASGI: nothing is buffered, and a request costs no task of its own. Never in the line: tokens, file
names, query strings.
"""

from __future__ import annotations

import time
from http import HTTPStatus

import structlog
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flame_node_agent.results.auth import ANALYSIS
from flame_node_agent.telemetry import metrics

log = structlog.get_logger(__name__)

QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines; not logged while all is well."""

UNKNOWN_ROUTE = "unknown"
CLIENT_GONE = 499
"""nginx' status for a client that has closed the connection before there was an answer."""

_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"})
_LONGEST_CALLER = 64


class AccessLog:
    """Middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request and tell about it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            exchange.status = exchange.status or CLIENT_GONE
        except Exception as error:  # noqa: BLE001 - the last net: logged here, once, and counted as a 500
            await exchange.fail(scope, error)
        finally:
            exchange.tell(scope)


class _Exchange:
    """One request and its answer, counted while they pass."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.status = 0
        self._method = scope["method"] if scope["method"] in _METHODS else "other"
        self._receive = receive
        self._send = send
        self._started = time.perf_counter()
        self._received = 0
        self._sent = 0
        self._complete = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self._sent += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
        await self._send(message)

    async def fail(self, scope: Scope, error: Exception) -> None:
        """Answer 500; an answer that has begun is left without its end: the server cuts the connection."""
        if self.status:
            log.warning("response.aborted", route=_route(scope), sent=self._sent, exc_info=error)
            return
        log.error("request.crashed", method=self._method, route=_route(scope), exc_info=error)
        answer = PlainTextResponse("Internal Server Error", status_code=500, headers={"Connection": "close"})
        await answer(scope, self.receive, self.send)

    def tell(self, scope: Scope) -> None:
        route, seconds = _route(scope), time.perf_counter() - self._started
        metrics.REQUESTS.labels(route, self._method, self.status or CLIENT_GONE).inc()
        metrics.REQUEST_SECONDS.labels(route, self._method).observe(seconds)
        if self._received:
            metrics.BYTES_RECEIVED.labels(route).inc(self._received)
        if self._sent:
            metrics.BYTES_SENT.labels(route).inc(self._sent)
        if route in QUIET_ROUTES and self.status < HTTPStatus.BAD_REQUEST:
            return
        log.info(
            "request.finished",
            method=self._method,
            route=route,
            status=self.status or CLIENT_GONE,
            complete=self._complete,
            received=self._received,
            sent=self._sent,
            seconds=round(seconds, 4),
            analysis=str(scope.get(ANALYSIS, ""))[:_LONGEST_CALLER] or None,
        )


def _route(scope: Scope) -> str:
    path = getattr(scope.get("route"), "path", None)
    return UNKNOWN_ROUTE if path is None else path.rstrip("/") or "/"
