"""Tasks of FLIP's Central Hub, as they cross the wire and as they are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

FULL_BATCH = 50
"""The most tasks that the hub hands out in one answer (FLIP hub, GET /tasks/pending)."""
MAX_RESULT_CHARACTERS = 10_000_000
"""The longest result that the hub takes (FLIP hub, POST /tasks/{id}/result)."""
MAX_NAME_CHARACTERS = 200
"""Of names that come from outside, such as a type of task: an index of PostgreSQL takes no more than 2,704 bytes."""


@dataclass(frozen=True)
class Outcome:
    """What became of a task."""

    success: bool
    result: str | None = field(default=None, repr=False)
    """JSON text, or None; a failure without any text of its own carries ``{"error": …}`` (FLIP trust-api)."""
    cohort_report: Mapping[str, Any] | None = field(default=None, repr=False)
    """Body for ``POST /cohort/results`` at the hub, which has to arrive before the task itself is reported."""


def report_body(success: bool, result: str | None) -> bytes:
    """The body of a report: ``result`` is always text or null (FLIP hub, POST /tasks/{id}/result)."""
    return json.dumps({"success": success, "result": result}).encode("ascii")


def storable(text: str) -> str:
    """Text that a database takes: JSON can spell NUL and lone surrogates, which no name or envelope holds."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def failure_text(error: str, status_code: int | None = None) -> str:
    """What a failed task tells instead of a result (FLIP trust-api)."""
    told: dict[str, str | int] = {"error": error}
    return json.dumps(told if status_code is None else told | {"status_code": status_code})


@dataclass(frozen=True)
class Identity:
    """Which trust the hub takes this node for."""

    trust_id: str
    trust_name: str


@dataclass(frozen=True)
class Task:
    """A piece of work as the hub hands it out (FLIP hub, GET /tasks/pending)."""

    id: UUID
    task_type: str
    payload: str = field(repr=False)
    """An envelope, opened by the handler alone."""
    created_at: str | None = None
    """When the hub made it, in the hub's own words."""


@dataclass(frozen=True)
class Pending:
    """The hub's answer to "what is there to do?"."""

    tasks: tuple[Task, ...]
    identity: Identity | None = None
    """None from hubs that do not tell."""
    unreadable: int = 0
    """Elements that are no tasks: nothing in them could be reported back."""

    @property
    def is_full(self) -> bool:
        """Whether the hub may hold more than it has handed out."""
        return len(self.tasks) + self.unreadable >= FULL_BATCH


@dataclass(frozen=True)
class Accepted:
    """The hub has taken the report."""


@dataclass(frozen=True)
class RefusedForGood:
    """The hub will never take this report."""

    status: int
    detail: str
    """The hub's own words, in one line."""

    def __str__(self) -> str:
        return f"{self.status}: {self.detail}"


ReportAnswer = Accepted | RefusedForGood


@dataclass(frozen=True)
class HeartbeatAnswer:
    """The hub's answer to a heartbeat, whatever its status (FLIP hub, POST /trust/heartbeat)."""

    status: int
    identity: Identity | None = None
    hub_version: str | None = None
    fingerprint: str | None = None
    """First 12 hex digits of the SHA-256 of the key that the hub seals with."""
    detail: str = ""
    """What a hub that says no says beside it, in one line of at most 500 characters."""

    @property
    def recorded(self) -> bool:
        """Whether the hub has noted the heartbeat."""
        return 200 <= self.status < 300
