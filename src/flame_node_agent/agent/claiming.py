"""What the loops over leased rows have in common: claim what is due, work on several at once, stop in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any

import structlog

from flame_node_agent.agent.wake import Wake, spread
from flame_node_agent.errors import DatabaseUnavailable
from flame_node_agent.telemetry import metrics

log = structlog.get_logger(__name__)

HAND_BACK_SECONDS = 1.0
"""Of the grace period, for handing back what cannot be finished; for all at once."""


class ClaimingLoop[Row]:
    """Claims rows and works on each in a task of its own, until it is stopped."""

    def __init__(
        self,
        name: str,
        *,
        room: Callable[[], int],
        claim: Callable[[int], Awaitable[list[Row]]],
        work: Callable[[Row], Coroutine[Any, Any, None]],
        hand_back: Callable[[Row], Awaitable[None]],
        look_seconds: float,
    ) -> None:
        """``name`` is the loop's in logs and metrics.

        Args:
            room: how many more rows may be worked on now.
            claim: leases at most so many rows; DatabaseUnavailable.
            work: does everything about one row and lets no failure out. When it is cancelled while :attr:`stopping`, it
                hands its row back.
            hand_back: gives up the lease of a row whose work has not begun.
            look_seconds: between two looks when nobody nudges, more or less.
        """
        self._name = name
        self._room = room
        self._claim = claim
        self._work = work
        self._hand_back = hand_back
        self._look_seconds = look_seconds
        self._wake = Wake()
        self._claiming = asyncio.Lock()
        self._running: dict[asyncio.Task[None], Row] = {}
        self.stopping = False

    @property
    def running(self) -> Collection[Row]:
        """What is being worked on."""
        return self._running.values()

    def nudge(self) -> None:
        """Something is due: look now instead of at the next interval."""
        self._wake.nudge()

    async def run(self) -> None:
        """Claim and work until :meth:`stop`."""
        while not self.stopping:
            try:
                claimed = await self.round()
            except DatabaseUnavailable as error:
                log.warning("loop.claim_postponed", loop=self._name, error=str(error))
                claimed = 0
            except Exception:  # the edge of a loop: a defect must not end all work
                log.exception("loop.failed", loop=self._name)
                metrics.LOOP_ERRORS.labels(self._name).inc()
                claimed = 0
            if not claimed and not self.stopping:
                await self._wake.wait(spread(self._look_seconds))

    async def round(self) -> int:
        """Claim once and begin; how many.

        Raises:
            DatabaseUnavailable: nothing is claimed, or its leases lapse.
        """
        if (room := self._room()) <= 0:
            return 0
        async with self._claiming:
            rows = await self._claim(room)
            if self.stopping:
                for row in rows:
                    await self._hand_back(row)
                return 0
        for row in rows:
            task = asyncio.create_task(self._work(row), name=self._name)
            self._running[task] = row
            task.add_done_callback(self._ended)
        return len(rows)

    async def one_ended(self) -> None:
        """Wait until some work that is under way has ended."""
        await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    async def stop(self, grace: float) -> None:
        """Begin nothing new; let what runs finish for ``grace`` seconds, then have the rest handed back."""
        self.stopping = True
        self._wake.nudge()
        with contextlib.suppress(TimeoutError):
            # What the database is just handing out is handed back before this ends.
            async with asyncio.timeout(HAND_BACK_SECONDS), self._claiming:
                pass
        if self._running and grace > 0:
            await asyncio.wait(self._running, timeout=grace)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._wake.nudge()
