"""How each service of this trust is looked at (FLIP trust-api, ``services/health_collector.py``)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

from flame_node_agent.errors import ServiceFailed
from flame_node_agent.hub.trust_services import ServiceAnswer, TrustService
from flame_node_agent.wire.health import HealthStatus, ServiceHealth

PROBE_SECONDS = 5.0
ALIVE_WITHOUT_VERSION = frozenset({401, 403})

Probe = Callable[[], Awaitable[ServiceHealth]]

DOWN = ServiceHealth(HealthStatus.DOWN)
UNKNOWN = ServiceHealth(HealthStatus.UNKNOWN)


class Probes:
    """One look each, of at most :data:`PROBE_SECONDS`."""

    def __init__(self, degraded_ms: int) -> None:
        """Whoever answers later than after ``degraded_ms`` counts as degraded."""
        self._degraded_ms = degraded_ms

    async def service(self, service: TrustService) -> ServiceHealth:
        """data-access-api, imaging-api: any 2xx will do, whatever its body."""
        try:
            answer, milliseconds = await _timed(service.look("/health"))
        except (ServiceFailed, TimeoutError):
            return DOWN
        if not answer.succeeded:
            return ServiceHealth(HealthStatus.DOWN, response_ms=milliseconds)
        return self._alive(milliseconds, _version(answer))

    async def xnat(self, service: TrustService) -> ServiceHealth:
        """XNAT tells its version only to those who are signed in, which the agent is not."""
        try:
            answer, milliseconds = await _timed(service.look("/xapi/siteConfig/buildInfo"))
        except (ServiceFailed, TimeoutError):
            return DOWN
        if answer.succeeded:
            return self._alive(milliseconds, _version(answer))
        if answer.status in ALIVE_WITHOUT_VERSION:
            return self._alive(milliseconds, None)
        return ServiceHealth(HealthStatus.DOWN, response_ms=milliseconds)

    async def dicom(self, imaging: TrustService) -> ServiceHealth:
        """The PACS as imaging-api sees it: without imaging-api nothing is known about it."""
        try:
            answer, milliseconds = await _timed(look_with_credentials(imaging))
            said = answer.json() if answer.succeeded else None
        except (ServiceFailed, TimeoutError, ValueError):
            return UNKNOWN
        match said:
            case {"successful": True}:
                return self._alive(milliseconds, None)
            case {"successful": False}:
                return ServiceHealth(HealthStatus.DOWN, response_ms=milliseconds)
            case _:
                return UNKNOWN

    async def port(self, host: str, port: int) -> ServiceHealth:
        """A database: whether it accepts connections. It is told nothing."""
        try:
            (_, writer), milliseconds = await _timed(asyncio.open_connection(host, port))
        except (OSError, TimeoutError):
            return DOWN
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(PROBE_SECONDS):
                await writer.wait_closed()
        return self._alive(milliseconds, None)

    def _alive(self, milliseconds: int, version: str | None) -> ServiceHealth:
        slow = milliseconds > self._degraded_ms
        return ServiceHealth(HealthStatus.DEGRADED if slow else HealthStatus.HEALTHY, version, milliseconds)


def look_with_credentials(imaging: TrustService) -> Awaitable[ServiceAnswer]:
    """Ask imaging-api for the PACS. Its ``pingTime`` is not believed: a PACS that hangs is slow for us as well."""
    return imaging.look("/imaging/ping_pacs", with_credentials=True)


async def _timed[T](call: Awaitable[T]) -> tuple[T, int]:
    """Wait for ``call``, and tell how many milliseconds it took; TimeoutError beyond the time of a probe."""
    started = time.monotonic()
    async with asyncio.timeout(PROBE_SECONDS):
        answer = await call
    return answer, round((time.monotonic() - started) * 1000)


def _version(answer: ServiceAnswer) -> str | None:
    try:
        said: Any = answer.json()
    except ValueError:
        return None
    version = said.get("version") if isinstance(said, dict) else None
    return version if isinstance(version, str) else None
