"""The two generations of FLIP's task routes, and how the node finds out which one its hub speaks.

    current   /tasks/pending              /tasks/{id}/result              /trust/heartbeat
    named     /tasks/{trust}/pending      /tasks/{trust}/{id}/result      /trust/{trust}/heartbeat

Named routes belong to hubs of the time before a key alone told who is asking.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from urllib.parse import quote
from uuid import UUID

import structlog

from flame_node_agent.hub.answers import NOT_FOUND, Answer

log = structlog.get_logger(__name__)

METHOD_NOT_ALLOWED = 405
NO_SUCH_ROUTE: dict[str, Any] = {"detail": "Not Found"}
"""What FastAPI answers where it has no route; a task that the hub does not know is named in its answer."""


class Era(StrEnum):
    """A generation of routes."""

    CURRENT = "current"
    NAMED = "named"


class TaskRoutes:
    """Names the paths of one generation, and changes to the other when the hub has no such routes."""

    def __init__(self, wanted: str, trust_name: str | None) -> None:
        """``wanted`` is the setting HUB_TASK_ROUTES: ``auto``, ``current`` or ``named``."""
        self._trust = quote(trust_name or "", safe="")
        self._may_change = wanted == "auto" and bool(trust_name)
        self._hint_due = wanted == "auto" and not trust_name
        self.era = Era.NAMED if wanted == "named" else Era.CURRENT

    def pending(self, era: Era) -> str:
        """Path of the tasks that wait."""
        return f"tasks/{self._in(era)}pending"

    def result(self, era: Era, task_id: UUID) -> str:
        """Path of a task's report."""
        return f"tasks/{self._in(era)}{task_id}/result"

    def heartbeat(self, era: Era) -> str:
        """Path of the heartbeat."""
        return f"trust/{self._in(era)}heartbeat"

    def alternative(self) -> Era | None:
        """The generation to try when the hub has no routes of this one; None when only this one will do."""
        if self._hint_due:
            self._hint_due = False
            log.warning("hub.routes_missing", hint="if the hub is an older one, set TRUST_NAME")
        if not self._may_change:
            return None
        return Era.CURRENT if self.era is Era.NAMED else Era.NAMED

    def settle(self, era: Era) -> None:
        """Note which generation the hub has answered to."""
        if era is not self.era:
            self.era = era
            log.info("hub.routes_changed", routes=str(era))

    def _in(self, era: Era) -> str:
        return f"{self._trust}/" if era is Era.NAMED else ""


def is_missing(answer: Answer) -> bool:
    """Whether the hub has no such route, rather than no such thing."""
    if answer.status == METHOD_NOT_ALLOWED:
        return True
    return answer.status == NOT_FOUND and (not answer.decodable or answer.body == NO_SUCH_ROUTE)
