"""The leases that this process holds, each with the work that rests on it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog
from prometheus_client import Gauge

from flame_node_agent.errors import LeaseLost
from flame_node_agent.telemetry import metrics

log = structlog.get_logger(__name__)


class HeldLeases:
    """Leases of one kind; who renews them, and when one is lost, is for :mod:`.leases` and :mod:`.task_leases`."""

    def __init__(self, gauge: Gauge) -> None:
        """``gauge`` shows how many there are."""
        self._gauge = gauge
        self._work: dict[UUID, asyncio.Task[object]] = {}
        self._lost: set[UUID] = set()

    @property
    def tokens(self) -> list[UUID]:
        """What is to be renewed."""
        return list(self._work)

    @contextmanager
    def hold(self, token: UUID) -> Iterator[None]:
        """Hold ``token`` while the block runs; LeaseLost inside it when somebody else has the row now."""
        task = asyncio.current_task()
        assert task is not None
        self._work[token] = task
        self._gauge.inc()
        try:
            yield
        except asyncio.CancelledError:
            if token in self._lost:
                task.uncancel()
                raise LeaseLost(str(token)) from None
            raise
        finally:
            del self._work[token]
            self._lost.discard(token)
            self._gauge.dec()

    def lose(self, token: UUID) -> None:
        """Stop the work that rests on a lease, if it still runs."""
        if (task := self._work.get(token)) is not None:
            log.warning("lease.lost", lease=str(token))
            metrics.LEASES_LOST.inc()
            self._lost.add(token)
            task.cancel()
