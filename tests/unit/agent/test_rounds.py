"""Repeated rounds keep their rhythm, whatever the clock on the wall does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

import apscheduler.schedulers.base
import pytest
from structlog.testing import capture_logs

from flame_node_agent.agent import rounds as module
from flame_node_agent.agent.rounds import Rounds
from tests.unit.agent.task_doubles import until

HOUR = 3600.0


class WallClock:
    """The clock that the schedule sees."""

    shift = 0.0

    def time(self) -> float:
        return time.time() + self.shift


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    wall = WallClock()

    class Shifted(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(seconds=wall.shift)

    monkeypatch.setattr(apscheduler.schedulers.base, "datetime", Shifted)
    monkeypatch.setattr(module, "datetime", Shifted)
    monkeypatch.setattr(module, "LOOK_AT_CLOCK_SECONDS", 0.02)
    return wall


@pytest.fixture
async def rounds(clock: WallClock) -> AsyncIterator[Rounds]:
    made = Rounds(wall_clock=clock.time)
    yield made
    made.stop()


class Count:
    def __init__(self, round_: Callable[[], object] = lambda: None) -> None:
        self.begun = 0
        self._round = round_

    async def round(self) -> None:
        self.begun += 1
        self._round()

    async def grows(self) -> None:
        known = self.begun
        await until(lambda: self.begun >= known + 3)


async def test_a_clock_that_is_put_back_stops_no_round(rounds: Rounds, clock: WallClock) -> None:
    count = Count()
    rounds.every("beat", 0.02, count.round)
    rounds.start()
    await count.grows()
    with capture_logs() as logs:
        clock.shift = -HOUR
        await count.grows()
    assert [(entry["event"], entry["seconds"]) for entry in logs] == [("clock.put_back", HOUR)]


async def test_a_clock_that_is_put_forward_is_no_reason_to_count_what_was_missed(
    rounds: Rounds, clock: WallClock
) -> None:
    count = Count()
    rounds.every("beat", 0.02, count.round)
    rounds.start()
    await count.grows()
    clock.shift = 24 * HOUR * 7
    begun, longest = time.monotonic(), 0.0
    known = count.begun
    while count.begun < known + 3:
        await asyncio.sleep(0.001)
        longest, begun = max(longest, time.monotonic() - begun), time.monotonic()
    assert longest < 5
    assert count.begun <= known + 10


async def test_the_first_round_comes_at_once_where_it_should(rounds: Rounds) -> None:
    at_once, later = Count(), Count()
    rounds.every("at once", HOUR, at_once.round, at_once=True)
    rounds.every("later", HOUR, later.round)
    rounds.start()
    await until(lambda: at_once.begun == 1)
    assert later.begun == 0


async def test_a_round_that_fails_is_told_and_comes_again(rounds: Rounds) -> None:
    def fail() -> None:
        raise ValueError("defect")

    count = Count(fail)
    rounds.every("beat", 0.02, count.round)
    with capture_logs() as logs:
        rounds.start()
        await count.grows()
    assert {(entry["event"], entry["loop"]) for entry in logs} == {("loop.failed", "beat")}


async def test_a_round_that_runs_long_is_not_begun_twice_and_delays_no_other(rounds: Rounds) -> None:
    release, begun = asyncio.Event(), []

    async def long() -> None:
        begun.append(1)
        await release.wait()

    short = Count()
    rounds.every("long", 0.02, long)
    rounds.every("short", 0.02, short.round)
    rounds.start()
    await short.grows()
    await short.grows()
    assert len(begun) == 1
    release.set()
    await until(lambda: len(begun) > 1)
