"""Keeps the leases of this agent alive, and stops work whose lease was lost.

A lease is renewed at a third of its time. When the database says that a lease is gone, or has not been reachable for
as long as the lease lasts, another agent may have taken the row over: the task is cancelled and sees LeaseLost.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from uuid import UUID

import structlog

from flame_node_agent.agent.held_leases import HeldLeases
from flame_node_agent.errors import DatabaseUnavailable
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
        self._held = HeldLeases(metrics.LEASES_HELD)
        self._renewed_at = time.monotonic()

    @property
    def renewal_interval(self) -> float:
        """Seconds between two renewals."""
        return self._lease_seconds / 3

    def hold(self, token: UUID) -> AbstractContextManager[None]:
        """Renew ``token`` while the block runs; LeaseLost inside it when that fails."""
        return self._held.hold(token)

    async def renew(self) -> None:
        """One round: prolong everything this agent holds."""
        tokens = self._held.tokens
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
        for token in set(tokens) - alive:
            self._held.lose(token)
