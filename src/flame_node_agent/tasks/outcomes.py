"""What a task's result looks like at the hub (FLIP trust-api: ``result`` is JSON text or null)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flame_node_agent.errors import ServiceFailed
from flame_node_agent.wire.tasks import Outcome, failure_text


def success(answer: Any = None) -> Outcome:
    """Done; what a service has answered goes along, if anything."""
    return Outcome(success=True, result=None if answer is None else json.dumps(answer))


def failure(
    error: str, *, status_code: int | None = None, cohort_report: Mapping[str, Any] | None = None
) -> Outcome:
    """Not done, and why; ``status_code`` is told where the contract of the task type has it."""
    return Outcome(success=False, result=failure_text(error, status_code), cohort_report=cohort_report)


def refused(error: ServiceFailed) -> Outcome:
    """A service has not done what was asked of it."""
    return failure(str(error))
