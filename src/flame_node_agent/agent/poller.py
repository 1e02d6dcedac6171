"""Fetches tasks from the hub and puts them into the journal; waits for nobody who runs them.

Whatever the hub has handed out is this node's: at the hub it counts as in progress, and comes again after half an hour
at the earliest. So the database is asked first, and a reply that cannot be committed at once is kept until it can.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Collection
from typing import Protocol

import structlog

from flame_node_agent.agent.wake import Wake, backoff, spread
from flame_node_agent.config.task_side import TaskSettings
from flame_node_agent.errors import DatabaseUnavailable, HubError, HubUnavailable
from flame_node_agent.stores.journal_rows import Received
from flame_node_agent.telemetry import metrics
from flame_node_agent.wire.tasks import Identity, Pending, Task

log = structlog.get_logger(__name__)

BACKLOG_LIMIT = 200
"""Unfinished tasks from which on no more are fetched. At the hub they can wait for ever; here for half an hour."""
DRAIN_PAUSE_SECONDS = 0.2
"""Between two looks whether the backlog has become small enough to fetch what is known to wait at the hub."""
LAST_POLL_SECONDS = 5.0
"""Of the grace period: for the answer that is on its way when the agent is told to stop."""
COMMIT_PAUSE_SECONDS = 1.0
TELL_SECONDS = 60.0
"""Polls succeed every few seconds; whoever follows the log sees that they do once in this time."""


class Hub(Protocol):
    """:class:`flame_node_agent.hub.tasks.TaskHub`."""

    async def pending(self) -> Pending: ...


class Journal(Protocol):
    """:class:`flame_node_agent.stores.journal.Journal`."""

    async def receive(self, tasks: Collection[Task]) -> Received: ...

    async def backlog(self) -> int: ...


class Poller:
    """Asks the hub for tasks, again and again."""

    def __init__(
        self,
        hub: Hub,
        journal: Journal,
        settings: TaskSettings,
        *,
        seen: Callable[[Identity | None], bool],
        on_answer: Callable[[], None] = lambda: None,
        on_new: Callable[[], None] = lambda: None,
        on_known: Callable[[], None] = lambda: None,
    ) -> None:
        """``seen`` says whether tasks for this identity are ours.

        ``on_answer`` is called when the hub has answered, ``on_new`` when there is something to run, ``on_known`` when
        there is something to report again.
        """
        self._hub = hub
        self._journal = journal
        self._interval = settings.poll_interval_seconds
        self._cap = settings.tasks.poll_backoff_cap_seconds
        self._seen = seen
        self._on_answer = on_answer
        self._on_new = on_new
        self._on_known = on_known
        self._wake = Wake()
        self._asking = asyncio.Lock()
        self._stopping = False
        self._failures = 0
        self._polls = 0
        self._told_at = -math.inf
        self._more_waits = False

    async def run(self) -> None:
        """Poll until :meth:`stop`."""
        while not self._stopping:
            async with self._asking:
                pause = await self._guarded_round()
            if not self._stopping:
                await self._wake.wait(pause)

    async def stop(self, grace: float) -> None:
        """Ask no more; what the hub is just handing out is committed first, if it does not take too long."""
        self._stopping = True
        self._wake.nudge()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(grace, LAST_POLL_SECONDS)), self._asking:
                pass

    async def round(self) -> float:
        """Ask once, and say how many seconds to wait before asking again.

        Raises:
            HubError: the hub has handed out nothing. DatabaseUnavailable: it was not asked.
        """
        backlog = await self._journal.backlog()
        if backlog >= BACKLOG_LIMIT:
            log.debug("poller.backlog", tasks=backlog)
            return self._pause()
        pending = await self._hub.pending()
        self._note_success()
        self._on_answer()
        if not self._seen(pending.identity):
            self._more_waits = False
            return self._pause()
        received = await self._commit(pending)
        self._more_waits = pending.is_full
        return 0.0 if backlog + received.new < BACKLOG_LIMIT and self._more_waits else self._pause()

    def _note_success(self) -> None:
        self._polls += 1
        if self._failures or time.monotonic() - self._told_at >= TELL_SECONDS:
            log.info("poller.polled", polls=self._polls)
            self._polls = 0
            self._told_at = time.monotonic()
        self._failures = 0

    def _pause(self) -> float:
        return spread(DRAIN_PAUSE_SECONDS if self._more_waits else self._interval)

    async def _guarded_round(self) -> float:
        try:
            return await self.round()
        except HubError as error:
            return self._postponed(error)
        except DatabaseUnavailable as error:
            log.warning("poller.postponed", error=str(error), retry_in_seconds=self._interval)
            return spread(self._interval)
        except Exception:  # the edge of a loop: a defect must not end polling
            log.exception("loop.failed", loop="poller")
            metrics.LOOP_ERRORS.labels("poller").inc()
            return spread(self._cap)

    def _postponed(self, error: HubError) -> float:
        self._failures += 1
        pause = max(self._interval / 2, backoff(self._failures, base=2 * self._interval, cap=self._cap))
        if isinstance(error, HubUnavailable) and error.retry_after is not None:
            pause = max(pause, error.retry_after)
        log.warning("poller.postponed", error=str(error), retry_in_seconds=round(pause, 1))
        metrics.RETRIES.labels("poll").inc()
        return pause

    async def _commit(self, pending: Pending) -> Received:
        if pending.unreadable:
            log.warning("poller.unreadable_tasks", tasks=pending.unreadable)
            metrics.TASKS_RECEIVED.labels("unreadable").inc(pending.unreadable)
        received = await self._receive(pending.tasks)
        if pending.tasks:
            log.info(
                "tasks.received", new=received.new, answered=received.answered, underway=received.underway
            )
        metrics.TASKS_RECEIVED.labels("new").inc(received.new)
        metrics.TASKS_RECEIVED.labels("answered").inc(received.answered)
        metrics.TASKS_RECEIVED.labels("underway").inc(received.underway)
        if received.new:
            self._on_new()
        if received.answered:
            self._on_known()
        return received

    async def _receive(self, tasks: tuple[Task, ...]) -> Received:
        """Commit the tasks of a reply, however long the database takes to come back.

        One that cannot be committed at all does not take the others along.
        """
        while tasks:
            try:
                return await self._journal.receive(tasks)
            except DatabaseUnavailable as error:
                log.warning("poller.commit_postponed", tasks=len(tasks), error=str(error))
            except Exception:  # the edge of a reply: a defect that one task may have brought to light
                if len(tasks) == 1:
                    log.exception("loop.failed", loop="poller", task=str(tasks[0].id))
                    metrics.LOOP_ERRORS.labels("poller").inc()
                    break
                return _sum([await self._receive((task,)) for task in tasks])
            await asyncio.sleep(COMMIT_PAUSE_SECONDS)
        return Received(0, 0, 0)


def _sum(parts: list[Received]) -> Received:
    return Received(
        new=sum(part.new for part in parts),
        answered=sum(part.answered for part in parts),
        underway=sum(part.underway for part in parts),
    )
