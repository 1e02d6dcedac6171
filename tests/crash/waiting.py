"""Waiting for something to become true, never longer than needed."""

from __future__ import annotations

import time
from collections.abc import Callable

POLL_SECONDS = 0.05


def eventually[T](check: Callable[[], T], *, seconds: float = 40.0) -> T:
    """Call ``check`` until its assertions hold, and give what it returns; the last failure when time runs out."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)
