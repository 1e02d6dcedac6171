"""One log line and one set of numbers for each request of data-access-api; never a body, a key or a query."""

from __future__ import annotations

from http import HTTPStatus

import structlog

from flame_node_agent.telemetry import metrics
from flame_node_agent.telemetry.requests import Exchange, RequestLog

log = structlog.get_logger(__name__)

QUIET_ROUTES = frozenset({"/health", "/readyz", "/metrics"})
"""Asked every few seconds by machines; not logged while all is well."""


class AccessLog(RequestLog):
    """What data-access-api tells of its requests."""

    def finished(self, exchange: Exchange) -> None:
        """Count every request, and log it unless it is a machine's and went well."""
        route, seconds = exchange.route, exchange.seconds
        metrics.DATA_ACCESS_REQUESTS.labels(route, exchange.method, exchange.status).inc()
        metrics.DATA_ACCESS_SECONDS.labels(route).observe(seconds)
        if route in QUIET_ROUTES and exchange.status < HTTPStatus.BAD_REQUEST:
            return
        log.info(
            "request.finished",
            method=exchange.method,
            route=route,
            status=exchange.status,
            complete=exchange.complete,
            sent=exchange.sent,
            seconds=round(seconds, 4),
        )

    def failed(self, exchange: Exchange, error: Exception) -> None:
        """Log the kind of the error alone: the text of a database's error holds SQL and values."""
        if exchange.begun:
            # Starlette wraps what it could have answered, had the answer not begun.
            kind = type(error.__cause__ or error).__name__
            log.warning("response.aborted", route=exchange.route, sent=exchange.sent, error=kind)
        else:
            kind = type(error).__name__
            log.error("request.crashed", method=exchange.method, route=exchange.route, error=kind)
