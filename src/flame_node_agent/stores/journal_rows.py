"""Rows of the task journal, as the parts of the agent see them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow


class TaskState(StrEnum):
    """Where a task stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    CLOSED = "closed"


class CloseReason(StrEnum):
    """Why nothing more is to be done for a task."""

    REPORTED = "reported"
    """The hub has taken the report."""
    CONFIRMED = "confirmed"
    """The hub has it already: the answer to an earlier attempt was lost."""
    REFUSED = "refused"
    """The hub will never take it."""


@dataclass(frozen=True)
class Received:
    """What became of the tasks of one answer of the hub."""

    new: int
    answered: int
    """Known and finished before: to be reported again, not run again."""
    underway: int
    """Known and not finished yet: left alone."""


@dataclass(frozen=True)
class Run:
    """A task that this agent has leased to run it."""

    task_id: UUID
    task_type: str
    payload: str = field(repr=False)
    runs: int
    """How often it was taken up, this time included."""
    lease_token: UUID

    @classmethod
    def of(cls, row: DictRow) -> Run:
        """A row that was claimed."""
        return cls(row["task_id"], row["task_type"], row["payload"], row["runs"], row["lease_token"])


@dataclass(frozen=True)
class Report:
    """A finished task that this agent has leased to report it."""

    task_id: UUID
    task_type: str
    success: bool
    result: str | None = field(repr=False)
    cohort_report: Mapping[str, Any] | None = field(repr=False)
    """What has to reach the hub before; None when there is nothing, or it is there."""
    reports: int
    """How often it was taken up, this time included."""
    lease_token: UUID

    @classmethod
    def of(cls, row: DictRow) -> Report:
        """A row that was claimed."""
        cohort_report = row["cohort_report"]
        return cls(
            task_id=row["task_id"],
            task_type=row["task_type"],
            success=row["success"],
            result=row["result"],
            cohort_report=None if cohort_report is None else json.loads(cohort_report),
            reports=row["reports"],
            lease_token=row["lease_token"],
        )


@dataclass(frozen=True)
class Entry:
    """A row as the operator may see it: neither what was asked nor what was answered."""

    task_id: UUID
    task_type: str
    state: TaskState
    runs: int
    success: bool | None
    result_characters: int
    reports: int
    close_reason: CloseReason | None
    last_error: str | None
    received_at: datetime
    finished_at: datetime | None
    closed_at: datetime | None
    not_before: datetime
    leased: bool

    @classmethod
    def of(cls, row: DictRow) -> Entry:
        """A row of :data:`ENTRY_COLUMNS`."""
        reason = row["close_reason"]
        return cls(
            **{**row, "state": TaskState(row["state"]), "close_reason": reason and CloseReason(reason)}
        )


ENTRY_COLUMNS = (
    "task_id, task_type, state, runs, success, COALESCE(length(result), 0) AS result_characters, reports,"
    " close_reason, last_error, received_at, finished_at, closed_at, not_before,"
    " COALESCE(lease_expires_at > now(), false) AS leased"
)
