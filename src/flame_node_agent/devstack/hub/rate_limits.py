"""How often a trust may call (FLIP hub, 2.2): 30 polls, 60 results and 30 heartbeats in a minute."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable

from starlette.exceptions import HTTPException

LIMITS = {"pending": 30, "result": 60, "heartbeat": 30}
WINDOW_SECONDS = 60.0


class RateLimits:
    """Sliding windows, one for each trust and kind of call; they are forgotten when the hub restarts."""

    def __init__(self, *, on: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._on = on
        self._clock = clock
        self._calls: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)

    def count(self, kind: str, trust_id: str) -> None:
        """Note a call; 429 if there were too many in the last minute."""
        if not self._on:
            return
        now, calls = self._clock(), self._calls[kind, trust_id]
        while calls and calls[0] <= now - WINDOW_SECONDS:
            calls.popleft()
        if len(calls) >= LIMITS[kind]:
            raise HTTPException(429, "Rate limit exceeded. Try again later.")
        calls.append(now)
