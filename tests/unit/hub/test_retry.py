"""Retries: bounded in attempts and in time, jittered, and polite."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest
import stamina

from flame_node_agent.errors import (
    HubCredentialsRefused,
    HubError,
    HubRefused,
    HubUnavailable,
    HubUnexpected,
    ObjectStoreUnavailable,
)
from flame_node_agent.hub import retry
from flame_node_agent.hub.retry import ATTEMPTS, backoff, with_retries
from flame_node_agent.telemetry.metrics import RETRIES


class Failing:
    """Raises its errors one after the other, then returns."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.mark.parametrize(
    "error", [HubUnavailable("away"), HubUnexpected(500), HubUnexpected(None), ObjectStoreUnavailable("away")]
)
async def test_what_may_pass_is_tried_again(no_waiting: list[float], error: Exception) -> None:
    call = Failing(error, error)

    assert await with_retries(call, deadline=5, what="test") == "done"
    assert call.calls == 3
    assert len(no_waiting) == 2


@pytest.mark.parametrize(
    "error",
    [HubRefused(409, "conflict", "no"), HubCredentialsRefused("who?"), ValueError("bug"), KeyError("x")],
)
async def test_what_stays_as_it_is_is_raised_at_once(no_waiting: list[float], error: Exception) -> None:
    call = Failing(error)

    with pytest.raises(type(error)) as caught:
        await with_retries(call, deadline=5, what="test")
    assert caught.value is error
    assert (call.calls, no_waiting) == (1, [])


async def test_attempts_are_bounded(no_waiting: list[float]) -> None:
    errors = [HubUnexpected(500, str(number)) for number in range(ATTEMPTS + 1)]
    call = Failing(*errors)

    with pytest.raises(HubUnexpected) as caught:
        await with_retries(call, deadline=1e6, what="test")
    assert caught.value is errors[ATTEMPTS - 1]
    assert call.calls == ATTEMPTS


async def test_no_retry_begins_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    begun: list[float] = []

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    async def call() -> None:
        begun.append(now)
        raise HubUnavailable("away")

    monkeypatch.setattr(stamina._core, "_smart_sleep", sleep)
    monkeypatch.setattr(retry, "time", SimpleNamespace(monotonic=lambda: now))

    with pytest.raises(HubUnavailable, match="away"):
        await with_retries(call, deadline=30, what="test")
    assert len(begun) > 1
    assert begun[-1] < 30


async def test_an_attempt_ends_with_the_deadline() -> None:
    async def forever() -> None:
        await asyncio.sleep(60)

    started = time.monotonic()
    with pytest.raises(HubUnavailable, match="deadline"):
        await with_retries(forever, deadline=0.1, what="test")
    assert time.monotonic() - started < 1


async def test_the_deadline_tells_what_went_before(no_waiting: list[float]) -> None:
    failing = Failing(HubUnexpected(500, "first"))

    async def call() -> None:
        await failing()
        await asyncio.sleep(60)

    with pytest.raises(HubUnexpected, match="first"):
        await with_retries(call, deadline=0.5, what="test")


async def test_a_time_out_of_the_work_itself_is_not_taken_for_the_deadline() -> None:
    with pytest.raises(TimeoutError, match="its own"):
        await with_retries(Failing(TimeoutError("its own")), deadline=5, what="test")


async def test_cancellation_is_not_a_failure(no_waiting: list[float]) -> None:
    call = Failing(asyncio.CancelledError())

    with pytest.raises(asyncio.CancelledError):
        await with_retries(call, deadline=5, what="test")
    assert call.calls == 1


async def test_the_hubs_wish_is_a_lower_bound(no_waiting: list[float]) -> None:
    call = Failing(HubUnavailable("busy", retry_after=17))

    await with_retries(call, deadline=60, what="test")

    assert no_waiting == [17]


async def test_a_wish_beyond_the_deadline_ends_it_at_once(no_waiting: list[float]) -> None:
    call = Failing(HubUnavailable("busy", retry_after=17))

    with pytest.raises(HubUnavailable) as caught:
        await with_retries(call, deadline=5, what="test")
    assert caught.value.retry_after == 17
    assert call.calls == 1


def test_the_jitter_is_full_and_its_ceiling_doubles_up_to_a_cap() -> None:
    for failures, ceiling in ((1, 0.2), (2, 0.4), (4, 1.6), (20, 10.0)):
        drawn = [backoff(failures, HubUnexpected(500)) for _ in range(400)]
        assert 0 <= min(drawn) < ceiling / 10
        assert ceiling * 0.9 < max(drawn) <= ceiling


async def test_each_repeat_is_counted(no_waiting: list[float]) -> None:
    counter = RETRIES.labels("counted-test")
    await with_retries(Failing(HubUnavailable("x"), HubUnavailable("x")), deadline=5, what="counted-test")

    assert counter._value.get() == 2


async def test_retries_can_be_switched_off() -> None:
    call = Failing(HubUnavailable("away"))
    stamina.set_active(False)
    try:
        with pytest.raises(HubError):
            await with_retries(call, deadline=5, what="test")
    finally:
        stamina.set_active(True)
    assert call.calls == 1
