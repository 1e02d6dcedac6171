"""Tells the hub from time to time that this node is alive, whatever else it is doing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog

from flame_node_agent.agent.hub_status import HubStatus
from flame_node_agent.agent.identity import IdentityCheck
from flame_node_agent.errors import HubError
from flame_node_agent.telemetry import metrics
from flame_node_agent.wire.tasks import HeartbeatAnswer

log = structlog.get_logger(__name__)

UNPROCESSABLE = 422
SHORTEST_TIME_SECONDS = 5.0
PART_OF_INTERVAL = 0.9  # so that a beat that is given up is over when the next one is due
MAX_REPLY_CHARACTERS = 200


class Hub(Protocol):
    """:class:`flame_node_agent.hub.tasks.TaskHub`."""

    async def heartbeat(self, snapshot: Mapping[str, Any] | None) -> HeartbeatAnswer: ...


class Heartbeat:
    """One beat a round, with the health of the trust's services when it is known.

    The rules are those of FLIP's trust-api, ``services/task_poller.py``.
    """

    def __init__(
        self,
        hub: Hub,
        identity: IdentityCheck,
        hub_status: HubStatus,
        snapshot: Callable[[], Mapping[str, Any] | None],
        *,
        interval_seconds: float,
    ) -> None:
        """A beat that is not answered shortly before the next one is given up, at the earliest after 5 seconds."""
        self._hub = hub
        self._identity = identity
        self._hub_status = hub_status
        self._snapshot = snapshot
        self._time = max(PART_OF_INTERVAL * interval_seconds, SHORTEST_TIME_SECONDS)
        self._failing: str | None = None

    async def round(self) -> None:
        """Beat once; a hub that is away or says no is logged, and asked again the next time."""
        try:
            async with asyncio.timeout(self._time):
                answer = await self._beat()
        except TimeoutError:
            self._failed("unreachable", f"no answer within {self._time:g} s")
        except HubError as error:
            self._failed("unreachable", str(error))
        else:
            self._answered(answer)

    async def _beat(self) -> HeartbeatAnswer:
        snapshot = self._snapshot()
        answer = await self._hub.heartbeat(snapshot)
        if answer.status == UNPROCESSABLE and snapshot is not None:
            # Being alive must not depend on whether the hub likes the rest.
            log.error("heartbeat.snapshot_refused", reason=answer.detail)
            answer = await self._hub.heartbeat(None)
        return answer

    def _answered(self, answer: HeartbeatAnswer) -> None:
        if not answer.recorded:
            self._hub_status.forget()
            self._failed("refused", f"HTTP {answer.status} - {answer.detail[:MAX_REPLY_CHARACTERS]}")
            return
        metrics.HEARTBEATS.labels("ok").inc()
        if self._failing is not None:
            log.info("heartbeat.recovered")
            self._failing = None
        self._identity.seen(answer.identity)
        self._hub_status.record(answer.hub_version, answer.fingerprint)

    def _failed(self, outcome: str, reason: str) -> None:
        """Count; and log, loudly when something has changed, for an outage lasts for thousands of beats."""
        metrics.HEARTBEATS.labels(outcome).inc()
        if reason != self._failing:
            log.warning("heartbeat.failed", reason=reason)
        else:
            log.debug("heartbeat.failed", reason=reason)
        self._failing = reason
