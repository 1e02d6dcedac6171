"""One finished task, told to the hub: first its cohort report where it has one, then its outcome.

Each answer for good is committed together with a row of the egress ledger, also where the hub has refused: the bytes
have left. What was sent and not answered is sent again; the hub keeps one result of a task, and the last report of a
cohort query.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

import structlog

from flame_node_agent.agent.task_leases import TaskLeases
from flame_node_agent.hub.answers import CONFLICT, CONTENT_TOO_LARGE
from flame_node_agent.stores.journal_rows import CloseReason, Report
from flame_node_agent.stores.ledger import Departure
from flame_node_agent.telemetry import metrics
from flame_node_agent.wire.tasks import (
    MAX_NAME_CHARACTERS,
    MAX_RESULT_CHARACTERS,
    Outcome,
    RefusedForGood,
    ReportAnswer,
    failure_text,
    report_body,
    storable,
)

log = structlog.get_logger(__name__)

_STATUS = re.compile(r"current status: (?:\w+\.)?(\w+)")


class Hub(Protocol):
    """:class:`flame_node_agent.hub.tasks.TaskHub`."""

    api: str

    async def report(self, task_id: UUID, success: bool, result: str | None) -> ReportAnswer: ...

    async def cohort_results(self, body: Mapping[str, Any]) -> ReportAnswer: ...


class Reports(Protocol):
    """:class:`flame_node_agent.stores.journal_reports.JournalReports`."""

    async def settle_cohort(self, report: Report, outcome: Outcome, departure: Departure) -> Report: ...

    async def close(
        self, report: Report, reason: CloseReason, departure: Departure, note: str | None = None
    ) -> None: ...


class ReportDelivery:
    """Takes leased reports to the hub's final answer."""

    def __init__(self, hub: Hub, reports: Reports, leases: TaskLeases) -> None:
        self._hub = hub
        self._reports = reports
        self._leases = leases

    async def deliver(self, report: Report) -> None:
        """Tell the hub and note its answer.

        Raises:
            HubUnavailable, HubUnexpected, HubCredentialsRefused: later.
            LeaseLost, DatabaseUnavailable.
        """
        if report.cohort_report is not None:
            report = await self._tell_cohort(report, report.cohort_report)
        await self._tell(report, *_fit_to_send(report))

    async def _tell_cohort(self, report: Report, body: Mapping[str, Any]) -> Report:
        with self._leases.hold(report.lease_token):
            answer = await self._hub.cohort_results(body)
        outcome = Outcome(report.success, report.result)
        if isinstance(answer, RefusedForGood):
            log.warning("report.cohort_refused", task=str(report.task_id), reason=str(answer))
            if report.success:
                outcome = Outcome(False, failure_text(str(answer)))
        settled = await self._reports.settle_cohort(report, outcome, self._cohort_departure(report, body))
        metrics.LEDGER_ROWS.inc()
        return settled

    async def _tell(self, report: Report, success: bool, result: str | None) -> None:
        with self._leases.hold(report.lease_token):
            answer = await self._hub.report(report.task_id, success, result)
            if isinstance(answer, RefusedForGood) and answer.status == CONTENT_TOO_LARGE and result:
                # Something on the way takes less than the hub says: better a clear failure than no answer.
                success, result = False, failure_text(f"The result is too large for the hub ({answer})")
                answer = await self._hub.report(report.task_id, success, result)
        reason, note = CloseReason.REPORTED, None
        if isinstance(answer, RefusedForGood):
            confirmed = report.reports > 1 and _is_what_we_said(answer, success)
            reason, note = CloseReason.CONFIRMED if confirmed else CloseReason.REFUSED, str(answer)
        await self._reports.close(report, reason, self._departure(report, success, result), note)
        metrics.LEDGER_ROWS.inc()
        metrics.TASK_REPORTS.labels(str(reason)).inc()
        if reason is CloseReason.REFUSED:
            log.warning("report.refused", task=str(report.task_id), task_type=report.task_type, reason=note)
        else:
            log.info(
                "report.delivered",
                task=str(report.task_id),
                task_type=report.task_type,
                success=success,
                reports=report.reports,
                confirmed=reason is CloseReason.CONFIRMED,
            )

    def _departure(self, report: Report, success: bool, result: str | None) -> Departure:
        content, sent = (result or "").encode("utf-8"), report_body(success, result)
        return Departure(
            upload_id=report.task_id,
            analysis_id=None,
            project_id=None,
            kind="task_result",
            name=report.task_type,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            sent_size=len(sent),
            sent_sha256=hashlib.sha256(sent).hexdigest(),
            destination=f"{self._hub.api}/tasks/{report.task_id}/result",
            sealed_for=None,
        )

    def _cohort_departure(self, report: Report, body: Mapping[str, Any]) -> Departure:
        sent = json.dumps(dict(body)).encode("ascii")
        digest = hashlib.sha256(sent).hexdigest()
        return Departure(
            upload_id=report.task_id,
            analysis_id=None,
            project_id=None,
            kind="cohort_result",
            name=storable(str(body.get("query_id") or ""))[:MAX_NAME_CHARACTERS],
            size=len(sent),
            sha256=digest,
            sent_size=len(sent),
            sent_sha256=digest,
            destination=f"{self._hub.api}/cohort/results",
            sealed_for=None,
        )


def _fit_to_send(report: Report) -> tuple[bool, str | None]:
    """What is told: a result that the hub would not take for its length is replaced by a failure that says so."""
    length = len(report.result or "")
    if length <= MAX_RESULT_CHARACTERS:
        return report.success, report.result
    return False, failure_text(
        f"The result has {length} characters; the hub takes at most {MAX_RESULT_CHARACTERS}"
    )


def _is_what_we_said(answer: RefusedForGood, success: bool) -> bool:
    """Whether the hub refuses because the task is what our report would make it (FLIP hub: COMPLETED or FAILED)."""
    found = _STATUS.search(answer.detail) if answer.status == CONFLICT else None
    return found is not None and found[1].upper() == ("COMPLETED" if success else "FAILED")
