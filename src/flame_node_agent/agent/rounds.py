"""What is done again and again while the agent runs: each round at its interval, whatever the clock on the wall does.

APScheduler notes when a job is due by that clock. Put back an hour, as a machine does that has slept or finds a time
server at last, it would let nothing begin for an hour; put forward a year, it would count every round that was missed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from flame_node_agent.telemetry import metrics

log = structlog.get_logger(__name__)

LOOK_AT_CLOCK_SECONDS = 1.0
TOLERATED_SECONDS = 2.0
"""A clock that is put back by less, as time servers do step by step, delays a round by no more than that."""


class Rounds:
    """The schedule of one process; a round that runs long delays no other, and is not started twice."""

    def __init__(
        self,
        *,
        wall_clock: Callable[[], float] = time.time,
        steady_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None}
        )
        self._scheduler.add_listener(_round_failed, EVENT_JOB_ERROR)
        self._wall_clock = wall_clock
        self._steady_clock = steady_clock
        self._watching: asyncio.Task[None] | None = None

    def every(
        self,
        name: str,
        seconds: float,
        round_: Callable[[], Awaitable[None]],
        *,
        at_once: bool = False,
        jitter: float = 0.0,
    ) -> None:
        """Do ``round_`` every so many seconds and up to ``jitter`` more, for the first time after these or at once."""
        first = {"next_run_time": datetime.now(UTC)} if at_once else {}
        self._scheduler.add_job(round_, _Interval(seconds, jitter), id=name, **first)

    def start(self) -> None:
        """Begin; inside a running event loop."""
        self._scheduler.start()
        self._watching = asyncio.create_task(self._watch_clock(), name="clock")

    def stop(self) -> None:
        """Begin no more rounds; those that run are let go on."""
        if self._watching is not None:
            self._watching.cancel()
        self._scheduler.shutdown(wait=False)

    def _difference(self) -> float:
        return self._wall_clock() - self._steady_clock()

    async def _watch_clock(self) -> None:
        known = self._difference()
        while True:
            await asyncio.sleep(LOOK_AT_CLOCK_SECONDS)
            found = self._difference()
            if found < known - TOLERATED_SECONDS:
                log.warning("clock.put_back", seconds=round(known - found, 1))
                self._begin_all()
            known = found

    def _begin_all(self) -> None:
        now = datetime.now(UTC)
        for job in self._scheduler.get_jobs():
            job.modify(next_run_time=now)


class _Interval(BaseTrigger):  # type: ignore[misc] # APScheduler 3 has no types
    """So many seconds from now, and not from when the round before should have been."""

    def __init__(self, seconds: float, jitter: float) -> None:
        self._seconds = seconds
        self._jitter = jitter

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """When the next round is due."""
        return now + timedelta(seconds=self._seconds + random.uniform(0, self._jitter))  # noqa: S311 - jitter

    def __str__(self) -> str:
        return f"every {self._seconds:g} s"


def _round_failed(event: JobExecutionEvent) -> None:
    """The edge of all repeated rounds: a defect is told and counted, and the next round comes all the same."""
    if isinstance(event.exception, asyncio.CancelledError):
        return  # the agent ends
    log.error("loop.failed", loop=event.job_id, exc_info=event.exception)
    metrics.LOOP_ERRORS.labels(event.job_id).inc()
