"""Tasks of FLIP's Central Hub, as they cross the wire and as they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What became of a task."""

    success: bool
    result: str | None = None
    """JSON text, or None; a failure without any text of its own carries ``{"error": …}`` (FLIP trust-api)."""
    cohort_report: Mapping[str, Any] | None = None
    """Body for ``POST /cohort/results`` at the hub, which has to arrive before the task itself is reported."""
