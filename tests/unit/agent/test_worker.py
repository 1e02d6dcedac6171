"""When a failed upload is tried again."""

from __future__ import annotations

import asyncio
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from flame_node_agent.agent.delivery import Delivery
from flame_node_agent.agent.leases import Leases
from flame_node_agent.agent.worker import Worker
from flame_node_agent.config.outbox import OutboxSettings
from flame_node_agent.stores.outbox import Outbox


def worker(**settings: float) -> Worker:
    return Worker(
        cast("Outbox", SlowOutbox()),
        cast("Delivery", None),
        cast("Leases", None),
        OutboxSettings.model_validate(settings),
    )


@given(st.integers(0, 10_000))
def test_no_wait_is_longer_than_the_cap_however_often_it_failed(attempts: int) -> None:
    assert 0 <= worker(backoff_base_seconds=1, backoff_cap_seconds=60).backoff(attempts) <= 60


def test_waits_grow_exponentially_and_are_spread_over_their_whole_range() -> None:
    patient = worker(backoff_base_seconds=1, backoff_cap_seconds=1000)
    for attempts, ceiling in ((1, 1), (2, 2), (5, 16), (9, 256)):
        waits = [patient.backoff(attempts) for _ in range(500)]
        assert max(waits) <= ceiling
        assert max(waits) > 0.9 * ceiling
        assert min(waits) < 0.1 * ceiling


class SlowOutbox:
    """An outbox whose answer to a claim comes when the test says so."""

    def __init__(self) -> None:
        self.asked, self.answer = asyncio.Event(), asyncio.Event()
        self.handed_back: list[object] = []

    async def claim(self, _limit: int) -> list[object]:
        self.asked.set()
        await self.answer.wait()
        return ["first", "second"]

    async def hand_back(self, upload: object) -> None:
        self.handed_back.append(upload)


async def test_what_is_claimed_while_stopping_is_handed_back() -> None:
    outbox = SlowOutbox()
    stopped = Worker(
        cast("Outbox", outbox),
        cast("Delivery", None),
        cast("Leases", None),
        OutboxSettings.model_validate({}),
    )
    running = asyncio.create_task(stopped.run())
    await outbox.asked.wait()
    stopping = asyncio.create_task(stopped.stop(5))
    await asyncio.sleep(0)
    outbox.answer.set()
    await stopping
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert outbox.handed_back == ["first", "second"]
