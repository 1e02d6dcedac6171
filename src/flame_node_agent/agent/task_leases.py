"""Keeps the leases on tasks alive, and stops work whose lease was lost.

Unlike :mod:`.leases`, a database that is away stops nothing: nobody can take a task over without it, and what runs at
another service would not be undone by giving up here. Once it is back, it says who has a lease and who has lost it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol
from uuid import UUID

import structlog

from flame_node_agent.agent.held_leases import HeldLeases
from flame_node_agent.errors import DatabaseUnavailable
from flame_node_agent.telemetry import metrics

log = structlog.get_logger(__name__)


class Renewal(Protocol):
    """:class:`flame_node_agent.stores.journal.Journal`."""

    async def renew(self, tokens: list[UUID]) -> set[UUID]: ...


class TaskLeases:
    """The leases on tasks that this process holds, to run them or to report them."""

    def __init__(self, journal: Renewal, *, lease_seconds: float) -> None:
        self._journal = journal
        self._lease_seconds = lease_seconds
        self._held = HeldLeases(metrics.TASK_LEASES_HELD)

    @property
    def renewal_interval(self) -> float:
        """Seconds between two renewals."""
        return self._lease_seconds / 3

    def hold(self, token: UUID) -> AbstractContextManager[None]:
        """Renew ``token`` while the block runs; LeaseLost inside it when somebody else has the task now."""
        return self._held.hold(token)

    async def renew(self) -> None:
        """One round: prolong everything this agent holds."""
        if not (tokens := self._held.tokens):
            return
        try:
            alive = await self._journal.renew(tokens)
        except DatabaseUnavailable as error:
            log.warning("lease.renewal_postponed", error=str(error), leases=len(tokens))
            return
        for token in set(tokens) - alive:
            self._held.lose(token)
