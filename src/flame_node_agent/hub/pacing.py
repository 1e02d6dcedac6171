"""Staying under a hub's limit of requests a minute, counted over a sliding window."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 60.0


class SlidingWindow:
    """Lets at most ``limit`` requests begin within any ``seconds``; 0 means as many as one likes.

    A hub counts what arrives, and a request may be under way for a moment; so the limit has to be a little below the
    hub's own.
    """

    def __init__(
        self, limit: int, seconds: float = WINDOW_SECONDS, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._begun: deque[float] = deque()
        self._waiting = asyncio.Lock()

    def free(self) -> int | None:
        """How many requests may begin at once; None means any number."""
        if not self._limit:
            return None
        self._forget()
        return self._limit - len(self._begun)

    def wait_seconds(self) -> float:
        """Seconds until a request may begin; 0 when one may now."""
        if not self._limit:
            return 0.0
        self._forget()
        if len(self._begun) < self._limit:
            return 0.0
        return max(0.0, self._begun[0] + self._seconds - self._clock())

    async def acquire(self) -> None:
        """Wait until a request may begin, first come first served, and count it."""
        if not self._limit:
            return
        async with self._waiting:
            if (seconds := self.wait_seconds()) > 0:
                await asyncio.sleep(seconds)
            self._begun.append(self._clock())

    def _forget(self) -> None:
        over = self._clock() - self._seconds
        while self._begun and self._begun[0] <= over:
            self._begun.popleft()
