"""Keeps the task journal in order: removes what is old enough, and tells Prometheus what is still to do."""

from __future__ import annotations

import structlog

from flame_node_agent.errors import DatabaseUnavailable
from flame_node_agent.stores.journal_upkeep import JournalUpkeep
from flame_node_agent.telemetry import metrics

log = structlog.get_logger(__name__)


class JournalJanitor:
    """One round at a time; any number of agents may run one."""

    def __init__(self, upkeep: JournalUpkeep, *, days: float) -> None:
        self._upkeep = upkeep
        self._days = days

    async def round(self) -> None:
        """Clean up once; what cannot be done now is done in a later round."""
        tasks = 0
        try:
            while removed := await self._upkeep.remove_expired(self._days):
                tasks += removed
        except DatabaseUnavailable as error:
            log.warning("janitor.postponed", error=str(error))
        metrics.JANITOR_REMOVED.labels("task").inc(tasks)
        if tasks:
            log.info("janitor.tasks_removed", tasks=tasks)


class JournalGauges:
    """Looks at the journal as a whole and tells Prometheus."""

    def __init__(self, upkeep: JournalUpkeep) -> None:
        self._upkeep = upkeep

    async def round(self) -> None:
        """Look once; without a database the gauges keep their last values."""
        try:
            depth = await self._upkeep.depth()
        except DatabaseUnavailable as error:
            log.debug("gauges.postponed", error=str(error))
            return
        for state, count in depth.by_state.items():
            metrics.TASKS.labels(state).set(count)
        metrics.OLDEST_TASK_SECONDS.set(depth.oldest_seconds)
