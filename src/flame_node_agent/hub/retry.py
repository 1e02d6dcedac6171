"""The one vocabulary of retries: bounded in attempts and in time, with full jitter, and the hub's wishes honoured.

Built on stamina, whose instrumentation shows each repeat and whose ``set_active(False)`` and ``set_testing`` switch
repeats off in tests.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from random import SystemRandom

import stamina

from flame_node_agent.errors import HubCredentialsRefused, HubUnavailable, NodeError, is_retryable
from flame_node_agent.telemetry.metrics import RETRIES

ATTEMPTS = 100  # the deadline ends most work first; this bounds what a deadline of hours could do
BACKOFF_BASE_SECONDS = 0.2
BACKOFF_CAP_SECONDS = 10.0
_jitter = SystemRandom()


async def with_retries[T](call: Callable[[], Awaitable[T]], *, deadline: float, what: str) -> T:
    """Call until it succeeds, for at most ``deadline`` seconds from now, waits included.

    ``what`` names the work in metrics and logs: a fixed word, never an id. Refused credentials are not tried again: a
    fresh token was, and more of it locks accounts.

    Raises:
        NodeError: what the last finished attempt raised, when it cannot succeed or no time is left for another one.
        HubUnavailable: the deadline passed within the first attempt.
    """
    end = time.monotonic() + deadline
    last: NodeError | None = None

    async def attempt() -> T:
        nonlocal last
        try:
            return await _before(end, call, what, last)
        except NodeError as error:
            last = error
            raise

    return await while_it_may_pass(attempt, may_wait=lambda wait: time.monotonic() + wait < end, what=what)


async def while_it_may_pass[T](
    call: Callable[[], Awaitable[T]], *, may_wait: Callable[[float], bool], what: str
) -> T:
    """Call until it succeeds, for as long as ``may_wait`` allows the next pause, told in seconds.

    An attempt that has begun is never cut off. ``what`` is as in :func:`with_retries`.

    Raises:
        NodeError: what the last attempt raised.
    """
    failures = 0

    def wait_for(error: Exception) -> bool | float:
        nonlocal failures
        if not isinstance(error, NodeError) or not _is_worth_repeating(error):
            return False
        failures += 1
        wait = backoff(failures, error)
        if not may_wait(wait) or failures == ATTEMPTS:
            return False
        RETRIES.labels(what).inc()
        return wait

    attempts = stamina.retry_context(on=wait_for, attempts=ATTEMPTS, timeout=None)
    async for attempt in attempts.with_name(what, (), {}):
        with attempt:
            return await call()
    raise AssertionError("unreachable: an attempt returns or raises")


async def _before[T](end: float, call: Callable[[], Awaitable[T]], what: str, last: NodeError | None) -> T:
    """Make one attempt that ends with the time that is left."""
    try:
        async with asyncio.timeout(max(0.0, end - time.monotonic())) as limit:
            return await call()
    except TimeoutError as error:
        if not limit.expired():
            raise
        # What an earlier attempt was told says more than that the last one was cut off.
        raise last or HubUnavailable(f"{what}: no answer within the deadline") from error


def _is_worth_repeating(error: NodeError) -> bool:
    return is_retryable(error) and not isinstance(error, HubCredentialsRefused)


def backoff(failures: int, error: NodeError) -> float:
    """Seconds to wait after ``failures`` failed attempts: full jitter, and no less than the hub asked for."""
    ceiling = min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2 ** (failures - 1))
    wait = _jitter.uniform(0, ceiling)
    asked = error.retry_after if isinstance(error, HubUnavailable) else None
    return max(wait, asked or 0.0)
