"""Runs tasks of the journal: several at once, none of a type that would starve the others, each within its time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Protocol
from uuid import UUID

import structlog

from flame_node_agent.agent.claiming import HAND_BACK_SECONDS, ClaimingLoop
from flame_node_agent.agent.task_leases import TaskLeases
from flame_node_agent.config.task_side import TaskSettings
from flame_node_agent.errors import DatabaseUnavailable, LeaseLost
from flame_node_agent.stores.journal_rows import Run
from flame_node_agent.telemetry import metrics
from flame_node_agent.wire.tasks import Outcome, failure_text

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
"""Between two looks into the journal when nobody nudges: for what other agents have fetched, or left behind."""
MOST_RUNS = 10
"""A task that was interrupted so often is what interrupts: it is reported as failed, before it ends everything."""
ONE_BY_ONE = {"update_user_profile": 1}
"""Types whose tasks must not overtake each other, unless TASKS__PARALLEL_BY_TYPE lets several run at once: the last
change of a user is the one that counts."""
FINISH_PAUSE_SECONDS = 1.0


class Journal(Protocol):
    """:class:`flame_node_agent.stores.journal.Journal`."""

    async def claim(
        self,
        limit: int,
        *,
        rooms: Mapping[str, int],
        other_room: int,
        ordered: Collection[str],
        holding: Collection[UUID],
    ) -> list[Run]: ...

    async def finish(self, run: Run, outcome: Outcome) -> None: ...

    async def hand_back(self, run: Run) -> None: ...


class Performer(Protocol):
    """:class:`flame_node_agent.tasks.perform.Tasks`."""

    async def perform(self, task_type: str, payload_wire: str) -> Outcome: ...

    def timed_out(self, task_type: str, payload_wire: str, seconds: float) -> Outcome: ...


class Runner:
    """Claims what waits and runs it in the background."""

    def __init__(
        self,
        journal: Journal,
        tasks: Performer,
        leases: TaskLeases,
        settings: TaskSettings,
        *,
        on_done: Callable[[], None] = lambda: None,
    ) -> None:
        """``on_done`` is called when there is something to report."""
        self._journal = journal
        self._tasks = tasks
        self._leases = leases
        self._settings = settings
        self._on_done = on_done
        self._loop = ClaimingLoop[Run](
            "runner",
            room=lambda: settings.tasks.parallel - len(self._loop.running),
            claim=self._claim,
            work=self._work,
            hand_back=journal.hand_back,
            look_seconds=LOOK_SECONDS,
        )

    def nudge(self) -> None:
        """There is something to run: look now."""
        self._loop.nudge()

    async def run(self) -> None:
        """Claim and run until :meth:`stop`."""
        await self._loop.run()

    async def stop(self, grace: float) -> None:
        """Begin nothing new; let what runs finish for ``grace`` seconds, then hand the rest back."""
        await self._loop.stop(grace)

    async def _claim(self, limit: int) -> list[Run]:
        return await self._journal.claim(
            limit,
            rooms=self._rooms(),
            other_room=self._at_once(),
            ordered=[task_type for task_type in ONE_BY_ONE if self._at_once(task_type) == 1],
            holding=[run.task_id for run in self._loop.running],
        )

    def _rooms(self) -> dict[str, int]:
        """How many more may run of each type that has a limit of its own, or runs already."""
        limits = {**ONE_BY_ONE, **self._settings.tasks.parallel_by_type}
        running = Counter(run.task_type for run in self._loop.running)
        return {
            task_type: max(0, self._at_once(task_type) - running[task_type])
            for task_type in limits.keys() | running.keys()
        }

    def _at_once(self, task_type: str | None = None) -> int:
        """How many tasks of a type may run at once: half of all, unless it has a limit of its own."""
        tasks = self._settings.tasks
        limits = {**ONE_BY_ONE, **tasks.parallel_by_type}
        return limits.get(task_type or "", (tasks.parallel + 1) // 2)

    async def _work(self, run: Run) -> None:
        try:
            outcome = await self._perform(run)
            await self._finish(run, outcome)
        except LeaseLost:
            log.warning("task.lease_lost", task=str(run.task_id), task_type=run.task_type)
        except Exception:  # the edge of a loop: the lease will lapse, and the task is run again
            log.exception("loop.failed", loop="runner")
            metrics.LOOP_ERRORS.labels("runner").inc()

    async def _perform(self, run: Run) -> Outcome:
        if run.runs > MOST_RUNS:
            log.error("task.given_up", task=str(run.task_id), task_type=run.task_type, runs=run.runs - 1)
            return Outcome(False, failure_text(f"Given up: interrupted {run.runs - 1} times"))
        seconds = self._settings.timeout_of(run.task_type)
        with self._leases.hold(run.lease_token):
            try:
                async with asyncio.timeout(seconds):
                    return await self._tasks.perform(run.task_type, run.payload)
            except TimeoutError:
                log.warning("task.timed_out", task=str(run.task_id), task_type=run.task_type, seconds=seconds)
                return self._tasks.timed_out(run.task_type, run.payload, seconds)
            except asyncio.CancelledError:
                if self._loop.stopping:
                    await self._hand_back(run)
                raise

    async def _hand_back(self, run: Run) -> None:
        try:
            async with asyncio.timeout(HAND_BACK_SECONDS):
                await self._journal.hand_back(run)
        except (DatabaseUnavailable, TimeoutError) as error:
            log.warning("task.left_to_lease", task=str(run.task_id), error=repr(error))
        else:
            log.info("task.handed_back", task=str(run.task_id), task_type=run.task_type)

    async def _finish(self, run: Run, outcome: Outcome) -> None:
        """Commit the outcome, however long the database takes to come back: the work is done, and not done twice."""
        while True:
            try:
                await self._journal.finish(run, outcome)
            except DatabaseUnavailable as error:
                log.warning("task.finish_postponed", task=str(run.task_id), error=str(error))
                await asyncio.sleep(FINISH_PAUSE_SECONDS)
            else:
                break
        log.info(
            "task.finished",
            task=str(run.task_id),
            task_type=run.task_type,
            success=outcome.success,
            runs=run.runs,
        )
        self._on_done()
