"""A task from its sealed payload to its outcome."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from flame_node_agent.crypto.envelope import Keyring, task_context
from flame_node_agent.errors import EnvelopeError, EnvelopeRejected, InvalidEnvelope
from flame_node_agent.tasks.handling import Handler
from flame_node_agent.tasks.outcomes import failure
from flame_node_agent.telemetry import metrics
from flame_node_agent.wire.tasks import Outcome

log = structlog.get_logger(__name__)

UNKNOWN_TYPE = "unknown"
_MAX_NAMED_TYPE = 100


class Tasks:
    """Performs tasks of all types."""

    def __init__(self, keyring: Keyring, handlers: Mapping[str, Handler]) -> None:
        self._keyring = keyring
        self._handlers = handlers

    async def perform(self, task_type: str, payload_wire: str) -> Outcome:
        """Open the payload and do what it asks for; whatever goes wrong is an outcome too.

        The order of the checks and their texts are those of FLIP's trust-api, ``services/task_poller.py``.
        """
        if (handler := self._handlers.get(task_type)) is None:
            metrics.TASKS_PERFORMED.labels(UNKNOWN_TYPE, "failure").inc()
            return failure(f"Unknown task type: {task_type[:_MAX_NAMED_TYPE]}")
        started = time.monotonic()
        outcome = "cancelled"
        try:
            done = await self._perform(task_type, handler, payload_wire)
            outcome = "success" if done.success else "failure"
            return done
        finally:
            metrics.TASKS_PERFORMED.labels(task_type, outcome).inc()
            metrics.TASK_SECONDS.labels(task_type).observe(time.monotonic() - started)

    def timed_out(self, task_type: str, payload_wire: str, seconds: float) -> Outcome:
        """Say what becomes of a task that whoever ran :meth:`perform` has given up after so many seconds."""
        if (handler := self._handlers.get(task_type)) is not None:
            with suppress(EnvelopeError, ValueError):
                return handler.timed_out(self._open(task_type, payload_wire), seconds)
        return failure(f"Given up after {seconds:g} s")

    def _open(self, task_type: str, payload_wire: str) -> Any:
        """The JSON in an envelope; ValueError, whose text does not repeat any of it, when there is none."""
        try:
            return json.loads(self._keyring.decrypt(payload_wire, task_context(task_type)))
        except RecursionError:
            raise ValueError("nested too deeply") from None

    async def _perform(self, task_type: str, handler: Handler, payload_wire: str) -> Outcome:
        try:
            payload = self._open(task_type, payload_wire)
        except EnvelopeRejected:
            return failure("Invalid payload: failed authentication")
        except (InvalidEnvelope, ValueError) as error:
            return failure(f"Invalid payload: {error}")
        try:
            return await handler(payload)
        except Exception as error:  # noqa: BLE001 - the edge of a task: a defect must not stop the others
            # The place only: texts of errors and of tracebacks may hold what the payload held.
            log.error("task.crashed", task_type=task_type, error=type(error).__name__, place=_place(error))  # noqa: TRY400
            metrics.LOOP_ERRORS.labels("task").inc()
            return failure(f"Internal error of the node ({type(error).__name__})")


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"
