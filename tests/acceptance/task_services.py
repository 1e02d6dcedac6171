"""A stand-in for the services of a trust, where a test needs to count, to hold up, or to be answered strangely."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from tests.acceptance.task_listening import Listening, Reply, Request

_PROBES = ("/health", "/imaging/ping_pacs", "/xapi/")
LONGEST_SECONDS = 60.0


class StandIn(Listening):
    """data-access-api and imaging-api in one. By default every cohort is empty and everything else is done."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Request] = []
        """What was asked, without the probes of health."""
        self.answer: Callable[[Request], Reply] = accepted
        self.open = threading.Event()
        """While it is not set, calls wait for their answers."""
        self.open.set()
        self.in_hand = 0
        """How many calls wait."""
        self._lock = threading.Lock()

    def reply(self, request: Request) -> Reply | None:
        if request.path.startswith(_PROBES):
            return Reply(200, b'{"status": "ok", "version": "stand-in", "successful": true}')
        with self._lock:
            self.calls.append(request)
            self.in_hand += 1
        opened = self.open.wait(LONGEST_SECONDS)
        with self._lock:
            self.in_hand -= 1
        return self.answer(request) if opened else None


def accepted(request: Request) -> Reply:
    """An empty cohort for who asks for one, facts without content for everybody else."""
    return json_reply(cohort_answer(request) if request.path == "/cohort" else {"ID": "P1", "name": "done"})


def cohort_answer(request: Request) -> dict[str, Any]:
    """What data-access-api says of a cohort that is too small."""
    asked = json.loads(request.body)
    return {
        "query_id": asked["query_id"],
        "trust_id": asked["trust_id"],
        "record_count": 0,
        "created": "2026-11-22",
        "data": [],
        "suppressed": True,
    }


def json_reply(content: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(content).encode())
