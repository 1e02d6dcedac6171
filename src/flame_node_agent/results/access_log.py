"""One log line and one set of numbers for each request. Never in the line: tokens, file names, query strings."""

from __future__ import annotations

from http import HTTPStatus

import structlog

from flame_node_agent.results.auth import ANALYSIS
from flame_node_agent.telemetry import metrics
from flame_node_agent.telemetry.requests import Exchange, RequestLog

log = structlog.get_logger(__name__)

QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines; not logged while all is well."""

_LONGEST_CALLER = 64


class AccessLog(RequestLog):
    """What the result endpoint tells of its requests."""

    def finished(self, exchange: Exchange) -> None:
        """Count every request, and log it unless it is a machine's and went well."""
        route, seconds = exchange.route, exchange.seconds
        metrics.REQUESTS.labels(route, exchange.method, exchange.status).inc()
        metrics.REQUEST_SECONDS.labels(route, exchange.method).observe(seconds)
        if exchange.received:
            metrics.BYTES_RECEIVED.labels(route).inc(exchange.received)
        if exchange.sent:
            metrics.BYTES_SENT.labels(route).inc(exchange.sent)
        if route in QUIET_ROUTES and exchange.status < HTTPStatus.BAD_REQUEST:
            return
        log.info(
            "request.finished",
            method=exchange.method,
            route=route,
            status=exchange.status,
            complete=exchange.complete,
            received=exchange.received,
            sent=exchange.sent,
            seconds=round(seconds, 4),
            analysis=str(exchange.scope.get(ANALYSIS, ""))[:_LONGEST_CALLER] or None,
        )

    def failed(self, exchange: Exchange, error: Exception) -> None:
        """Log the error with its traceback."""
        if exchange.begun:
            log.warning("response.aborted", route=exchange.route, sent=exchange.sent, exc_info=error)
        else:
            log.error("request.crashed", method=exchange.method, route=exchange.route, exc_info=error)
