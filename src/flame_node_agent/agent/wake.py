"""How a loop waits: for some time, or until somebody knows that there is something to do."""

from __future__ import annotations

import asyncio
import contextlib
import random


class Wake:
    """One loop's alarm clock; a nudge while the loop is busy is not lost."""

    def __init__(self) -> None:
        self._nudged = asyncio.Event()

    def nudge(self) -> None:
        """End the wait, or the next one when there is none now."""
        self._nudged.set()

    async def wait(self, seconds: float) -> None:
        """Wait for at most ``seconds``."""
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nudged.wait(), seconds)
        self._nudged.clear()


def spread(seconds: float) -> float:
    """About ``seconds``, so that loops that began together do not stay together."""
    return seconds * random.uniform(0.5, 1.5)  # noqa: S311 - jitter


def backoff(failures: int, *, base: float, cap: float) -> float:
    """Seconds to wait after ``failures`` failed attempts: exponential with a cap, full jitter.

    (Brooker, "Exponential backoff and jitter", AWS Architecture Blog, 2015)
    """
    exponent = min(max(failures, 1) - 1, 32)
    return random.uniform(0, min(cap, base * 2**exponent))  # noqa: S311 - jitter
