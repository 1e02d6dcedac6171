"""The sliding window that keeps the node under the hub's limits."""

from __future__ import annotations

import asyncio
import time

from flame_node_agent.hub.pacing import SlidingWindow


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_as_many_as_allowed_begin_at_once_and_the_next_waits_for_the_first_to_leave_the_window() -> (
    None
):
    clock = Clock()
    window = SlidingWindow(3, 60, clock=clock)
    for _ in range(3):
        await window.acquire()
        clock.now += 10
    assert window.free() == 0
    assert window.wait_seconds() == 30
    clock.now += 30
    assert (window.free(), window.wait_seconds()) == (1, 0)


async def test_zero_means_no_limit() -> None:
    window = SlidingWindow(0)
    for _ in range(1000):
        await window.acquire()
    assert (window.free(), window.wait_seconds()) == (None, 0)


async def test_no_window_of_the_length_holds_more_than_the_limit() -> None:
    window = SlidingWindow(5, 0.2)
    begun: list[float] = []

    async def request() -> None:
        await window.acquire()
        begun.append(time.monotonic())

    await asyncio.gather(*(request() for _ in range(18)))
    assert all(later - earlier >= 0.19 for earlier, later in zip(begun, begun[5:], strict=False))


async def test_one_who_gives_up_waiting_takes_no_place() -> None:
    clock = Clock()
    window = SlidingWindow(1, 60, clock=clock)
    await window.acquire()
    waiting = asyncio.create_task(window.acquire())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    clock.now += 60
    assert window.free() == 1
    async with asyncio.timeout(30):  # nor does it keep the others from their turn
        await window.acquire()
