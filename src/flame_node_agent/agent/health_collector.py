"""Looks at the services of this trust from time to time, so that heartbeats can tell the hub how they are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import structlog

from flame_node_agent import __version__
from flame_node_agent.agent.health_probes import UNKNOWN, Probe, Probes
from flame_node_agent.config.task_side import TaskSettings
from flame_node_agent.hub.trust_services import TrustServices
from flame_node_agent.wire.health import HealthStatus, ServiceHealth, snapshot

log = structlog.get_logger(__name__)

CYCLE_SECONDS = 15.0
TEARDOWN_SECONDS = 1.0
MISSED_ROUNDS = 3


def release(settings: TaskSettings) -> str:
    """Which build this is: what the image says of itself, else the version of this package."""
    return settings.flip_release or __version__


def roster(settings: TaskSettings, services: TrustServices) -> dict[str, Probe]:
    """What is looked at, and how (FLIP trust-api, ``services/health_collector.py``)."""
    probes = Probes(settings.health_probe_degraded_ms)

    async def own() -> ServiceHealth:
        return ServiceHealth(HealthStatus.HEALTHY, release(settings))

    async def fl_client() -> ServiceHealth:
        return ServiceHealth(HealthStatus.UNKNOWN, settings.fl_client_image_tag)

    looks: dict[str, Probe] = {
        "trust-api": own,
        "imaging-api": lambda: probes.service(services.imaging),
        "data-access-api": lambda: probes.service(services.data_access),
        "xnat": lambda: probes.xnat(services.xnat),
        "dicom": lambda: probes.dicom(services.imaging),
        "omop": lambda: probes.port(settings.omop_db_host, settings.omop_db_port),
    }
    return looks | {"fl-client": fl_client} if settings.fl_client_image_tag else looks


class HealthCollector:
    """Holds the last snapshot, as long as it can be believed."""

    def __init__(self, probes: Mapping[str, Probe], *, interval_seconds: float) -> None:
        """``interval_seconds`` is how often :meth:`round` is going to be called."""
        self._probes = probes
        self._patience = MISSED_ROUNDS * interval_seconds + CYCLE_SECONDS
        self._begun = time.monotonic()
        self._snapshot: dict[str, Any] | None = None
        self._stopped = False
        self._left_behind: set[asyncio.Task[dict[str, Any]]] = set()

    @property
    def alive(self) -> bool:
        """Whether rounds still come."""
        return self._stopped or time.monotonic() - self._begun <= self._patience

    @property
    def snapshot(self) -> dict[str, Any] | None:
        """What the hub may be told now; None before the first round, after a failed one, and when rounds have ended."""
        return self._snapshot if self.alive else None

    async def round(self) -> None:
        """Look at everything once. A round that hangs or crashes leaves no snapshot: none is better than an old one."""
        self._begun = time.monotonic()
        cycle = asyncio.create_task(self._collect(), name="health cycle")
        collected = None
        try:
            if await self._in_time(cycle):
                collected = cycle.result()
            else:
                log.warning("health.cycle_abandoned", seconds=CYCLE_SECONDS)
        finally:
            self._snapshot = None if self._stopped else collected

    def stop(self) -> None:
        """Tell nothing any more."""
        self._stopped = True
        self._snapshot = None

    async def _in_time(self, cycle: asyncio.Task[dict[str, Any]]) -> bool:
        """Wait for the end of a cycle, and cut it off otherwise; one that does not even take that is left behind."""
        try:
            done, _ = await asyncio.wait({cycle}, timeout=CYCLE_SECONDS)
            return bool(done)
        finally:
            if not cycle.done():
                cycle.cancel()
                await asyncio.wait({cycle}, timeout=TEARDOWN_SECONDS)
            if not cycle.done():
                self._left_behind.add(cycle)
                cycle.add_done_callback(self._forget)

    def _forget(self, cycle: asyncio.Task[dict[str, Any]]) -> None:
        self._left_behind.discard(cycle)
        if not cycle.cancelled():
            cycle.exception()  # nobody else asks, and asyncio would complain

    async def _collect(self) -> dict[str, Any]:
        found = await asyncio.gather(*(self._look(name, probe) for name, probe in self._probes.items()))
        return snapshot(dict(zip(self._probes, found, strict=True)))

    @staticmethod
    async def _look(name: str, probe: Probe) -> ServiceHealth:
        try:
            return await probe()
        except Exception as error:  # noqa: BLE001 - the edge of a probe: one must not take the others along
            log.warning("health.probe_failed", service=name, error=type(error).__name__)
            return UNKNOWN
