"""One log line and one set of numbers for each request of data-access-api; never a body, a key or a query.

Plain ASGI: nothing is buffered, and a request costs no task of its own.
"""

from __future__ import annotations

import time
from http import HTTPStatus

import structlog
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flame_node_agent.telemetry import metrics

log = structlog.get_logger(__name__)

QUIET_ROUTES = frozenset({"/health", "/readyz", "/metrics"})
"""Asked every few seconds by machines; not logged while all is well."""

UNKNOWN_ROUTE = "unknown"
CLIENT_GONE = 499
"""nginx' status for a client that has closed the connection before there was an answer."""

_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"})


class AccessLog:
    """Middleware around the whole application, and the last net under it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request and tell about it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        started = time.perf_counter()
        try:
            await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            answer.status = answer.status or CLIENT_GONE
        except Exception as error:  # noqa: BLE001 - the last net: logged here, once, and counted as a 500
            await answer.fail(scope, receive, error)
        finally:
            answer.tell(scope, time.perf_counter() - started)


class _Answer:
    """An answer, counted while it passes."""

    def __init__(self, send: Send) -> None:
        self.status = 0
        self._send = send
        self._sent = 0
        self._complete = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self._sent += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
        await self._send(message)

    async def fail(self, scope: Scope, receive: Receive, error: Exception) -> None:
        """Answer 500; an answer that has begun is left without its end: the server cuts the connection.

        Only the type is logged: the text of a database's error holds SQL and values.
        """
        if self.status:
            # Starlette wraps what it could have answered, had the answer not begun.
            kind = type(error.__cause__ or error).__name__
            log.warning("response.aborted", route=_route(scope), sent=self._sent, error=kind)
            return
        log.error("request.crashed", method=scope["method"], route=_route(scope), error=type(error).__name__)
        answer = PlainTextResponse("Internal Server Error", status_code=500, headers={"Connection": "close"})
        await answer(scope, receive, self.send)

    def tell(self, scope: Scope, seconds: float) -> None:
        route, status = _route(scope), self.status or CLIENT_GONE
        method = scope["method"] if scope["method"] in _METHODS else "other"
        metrics.DATA_ACCESS_REQUESTS.labels(route, method, status).inc()
        metrics.DATA_ACCESS_SECONDS.labels(route).observe(seconds)
        if route in QUIET_ROUTES and status < HTTPStatus.BAD_REQUEST:
            return
        log.info(
            "request.finished",
            method=method,
            route=route,
            status=status,
            complete=self._complete,
            sent=self._sent,
            seconds=round(seconds, 4),
        )


def _route(scope: Scope) -> str:
    path = getattr(scope.get("route"), "path", None)
    return UNKNOWN_ROUTE if path is None else path.rstrip("/") or "/"
