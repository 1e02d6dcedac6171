"""Tells the hub what became of tasks, until it has answered for good.

    answer of the hub                           what becomes of the report
    2xx                                         closed: reported
    409, naming the very status it should have  closed: confirmed, if an earlier attempt may have arrived
    other 4xx                                   closed: refused, with the hub's reason
    401                                         tried again: a key may be put right on either side
    429, 5xx, nobody, nothing readable          tried again, for days if need be

While the hub is away, one report at a time asks whether it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

import structlog

from flame_node_agent.agent.claiming import HAND_BACK_SECONDS, ClaimingLoop
from flame_node_agent.agent.report_delivery import ReportDelivery
from flame_node_agent.agent.wake import backoff
from flame_node_agent.config.task_limits import TaskLoopSettings
from flame_node_agent.errors import (
    DatabaseUnavailable,
    HubCredentialsRefused,
    HubError,
    HubUnavailable,
    HubUnexpected,
    LeaseLost,
)
from flame_node_agent.hub.pacing import SlidingWindow
from flame_node_agent.stores.journal_reports import JournalReports
from flame_node_agent.stores.journal_rows import Report
from flame_node_agent.telemetry import metrics

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
"""Between two looks into the journal when nobody nudges."""
LONGEST_WISH_SECONDS = 3600.0
OUTAGE_FAILURES = 3
"""Failures in a row from which on the hub's return is a reason to repeat at once what waits for its next attempt."""


class Reporter:
    """Claims what is to be reported and reports it in the background."""

    def __init__(
        self,
        reports: JournalReports,
        delivery: ReportDelivery,
        window: SlidingWindow,
        settings: TaskLoopSettings,
    ) -> None:
        """``window`` is the hub's limit of reports, which ``delivery`` uses up."""
        self._reports = reports
        self._delivery = delivery
        self._window = window
        self._settings = settings
        self._loop = ClaimingLoop[Report](
            "reporter",
            room=self._room,
            claim=reports.claim,
            work=self._work,
            hand_back=lambda report: reports.hand_back(report, begun=False),
            look_seconds=LOOK_SECONDS,
        )
        self._failures = 0
        self._quiet_until = 0.0
        self._asked_until = 0.0

    def nudge(self) -> None:
        """There is something to report: look now."""
        self._loop.nudge()

    def hub_answers(self) -> None:
        """The hub was heard elsewhere: an outage may be over, unless the hub has asked for a pause."""
        if self._failures:
            self._quiet_until = self._asked_until
            self._loop.nudge()

    async def run(self) -> None:
        """Claim and report until :meth:`stop`."""
        await self._loop.run()

    async def stop(self, grace: float) -> None:
        """Report for ``grace`` seconds what is finished already, as far as the hub takes it; hand the rest back."""
        with contextlib.suppress(TimeoutError, DatabaseUnavailable):
            async with asyncio.timeout(grace):
                while await self._loop.round() or self._loop.running:
                    await self._loop.one_ended()
        await self._loop.stop(0)

    def _room(self) -> int:
        """How many reports may begin now."""
        if time.monotonic() < self._quiet_until:
            return 0
        room = (1 if self._failures else self._settings.parallel_reports) - len(self._loop.running)
        free = self._window.free()
        # Those that run may not have taken their place yet: what is claimed and has to wait keeps others from it.
        return room if free is None else min(room, free - len(self._loop.running))

    async def _work(self, report: Report) -> None:
        try:
            try:
                await self._delivery.deliver(report)
            except asyncio.CancelledError:
                if self._loop.stopping:
                    async with asyncio.timeout(HAND_BACK_SECONDS):
                        await self._reports.hand_back(report, begun=True)
                raise
            except HubError as error:
                await self._postpone(report, error)
            else:
                await self._succeeded()
        except LeaseLost:
            log.warning("report.lease_lost", task=str(report.task_id))
        except (DatabaseUnavailable, TimeoutError) as error:
            # The lease will lapse, and it is reported again; the hub then says that it has it already.
            log.warning("report.left_to_lease", task=str(report.task_id), error=repr(error))
        except Exception:  # the edge of a loop: the same
            log.exception("loop.failed", loop="reporter")
            metrics.LOOP_ERRORS.labels("reporter").inc()

    async def _succeeded(self) -> None:
        failures, self._failures, self._quiet_until = self._failures, 0, 0.0
        if failures >= OUTAGE_FAILURES:
            log.info("reporter.hub_is_back", hastened=await self._reports.hasten())

    async def _postpone(self, report: Report, error: HubError) -> None:
        seconds = self._backoff(report.reports)
        if isinstance(error, HubUnavailable) and error.retry_after is not None:
            seconds = max(seconds, min(error.retry_after, LONGEST_WISH_SECONDS))
        if _is_about_all(error):
            self._pause(error)
        log.warning(
            "report.postponed",
            task=str(report.task_id),
            task_type=report.task_type,
            reports=report.reports,
            retry_in_seconds=round(seconds, 1),
            reason=str(error),
        )
        metrics.TASK_REPORTS.labels("postponed").inc()
        metrics.RETRIES.labels("report").inc()
        await self._reports.postpone(report, seconds=seconds, reason=f"{type(error).__name__}: {error}")

    def _pause(self, error: HubError) -> None:
        """Leave the hub alone for a while; what fails at the same time is one failure."""
        now = time.monotonic()
        if now >= self._quiet_until:
            self._failures += 1
            self._quiet_until = now + self._backoff(self._failures)
        if isinstance(error, HubUnavailable) and error.retry_after is not None:
            self._asked_until = now + min(error.retry_after, LONGEST_WISH_SECONDS)
            self._quiet_until = max(self._quiet_until, self._asked_until)

    def _backoff(self, failures: int) -> float:
        return backoff(
            failures,
            base=self._settings.report_backoff_base_seconds,
            cap=self._settings.report_backoff_cap_seconds,
        )


def _is_about_all(error: HubError) -> bool:
    """Whether other reports would fare no better; an error of the hub with this one says nothing about others."""
    match error:
        case HubUnexpected(status=status):
            return status is None
        case HubUnavailable() | HubCredentialsRefused():
            return True
        case _:
            return False
