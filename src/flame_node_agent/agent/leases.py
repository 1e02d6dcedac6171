"""Keeps the leases of this agent alive, and stops work whose lease was lost.

A lease is renewed at a third of its time. When the database says that a lease is gone, or has not been reachable for
as long as the lease lasts, another agent may have taken the row over: the task is cancelled and sees LeaseLost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog

from flame_node_agent.errors import DatabaseUnavailable, LeaseLost
from flame_node_agent.stores.outbox import Outbox
from flame_node_agent.stores.staging import Staging
from flame_node_agent.telemetry import metrics

log = structlog.get_logger(__name__)


class Leases:
    """The leases that this process holds."""

    def __init__(self, outbox: Outbox, staging: Staging, *, lease_seconds: float) -> None:
        self._outbox = outbox
        self._staging = staging
        self._lease_seconds = lease_seconds
        self._held: dict[UUID, asyncio.Task[object]] = {}
        self._lost: set[UUID] = set()
        self._renewed_at = time.monotonic()

    @property
    def renewal_interval(self) -> float:
        """Seconds between two renewals."""
        return self._lease_seconds / 3

    @contextmanager
    def hold(self, token: UUID) -> Iterator[None]:
        """Renew ``token`` while the block runs; LeaseLost inside it when that fails."""
        task = asyncio.current_task()
        assert task is not None
        self._held[token] = task
        metrics.LEASES_HELD.set(len(self._held))
        try:
            yield
        except asyncio.CancelledError:
            if token in self._lost:
                task.uncancel()
                raise LeaseLost(str(token)) from None
            raise
        finally:
            self._held.pop(token, None)
            self._lost.discard(token)
            metrics.LEASES_HELD.set(len(self._held))

    async def renew(self) -> None:
        """One round: prolong everything this agent holds."""
        tokens = list(self._held)
        began = time.monotonic()
        try:
            await self._staging.renew()
            alive = await self._outbox.renew(tokens) if tokens else set()
        except DatabaseUnavailable as error:
            if time.monotonic() - self._renewed_at < self._lease_seconds:
                log.warning("lease.renewal_postponed", error=str(error), leases=len(tokens))
                return
            alive = set()
        else:
            self._renewed_at = began
        for token in tokens:
            if token not in alive and (task := self._held.get(token)) is not None:
                log.warning("lease.lost", lease=str(token))
                metrics.LEASES_LOST.inc()
                self._lost.add(token)
                task.cancel()
