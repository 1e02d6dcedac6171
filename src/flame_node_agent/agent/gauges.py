"""Keeps the gauges that describe the outbox up to date."""

from __future__ import annotations

import structlog

from flame_node_agent.errors import DatabaseUnavailable
from flame_node_agent.stores.retention import Retention
from flame_node_agent.telemetry import metrics

log = structlog.get_logger(__name__)


class Gauges:
    """Looks at the outbox as a whole and tells Prometheus."""

    def __init__(self, retention: Retention) -> None:
        self._retention = retention

    async def round(self) -> None:
        """Look once; without a database the gauges keep their last values."""
        try:
            depth = await self._retention.depth()
        except DatabaseUnavailable as error:
            log.debug("gauges.postponed", error=str(error))
            return
        for state, count in depth.by_state.items():
            metrics.OUTBOX_UPLOADS.labels(state).set(count)
        metrics.OLDEST_WAITING_SECONDS.set(depth.oldest_seconds)
