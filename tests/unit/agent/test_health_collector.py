"""The rounds of the health collector: what the tests of FLIP's trust-api check of them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from flame_node_agent.agent import health_collector
from flame_node_agent.agent.health_collector import HealthCollector
from flame_node_agent.wire.health import HealthStatus, ServiceHealth
from tests.unit.agent.health_ground import HEALTHY


def collector(**probes: Any) -> HealthCollector:
    return HealthCollector(probes, interval_seconds=30)


async def healthy() -> ServiceHealth:
    return HEALTHY


def service_of(snapshot: dict[str, Any] | None, name: str) -> dict[str, Any]:
    assert snapshot is not None
    return snapshot["services"][name]


async def test_results_are_bound_to_their_names_whatever_their_order() -> None:
    first = asyncio.Event()

    async def slow() -> ServiceHealth:
        await first.wait()
        return ServiceHealth(HealthStatus.DOWN)

    async def quick() -> ServiceHealth:
        first.set()
        return HEALTHY

    both = collector(slow=slow, quick=quick)
    await both.round()
    assert service_of(both.snapshot, "slow")["status"] == "down"
    assert service_of(both.snapshot, "quick")["status"] == "healthy"


async def test_failing_probe_takes_no_other_along() -> None:
    async def broken() -> ServiceHealth:
        raise KeyError("ada@hospital.example")

    both = collector(broken=broken, fine=healthy)
    with capture_logs() as events:
        await both.round()
    assert service_of(both.snapshot, "broken") == {"status": "unknown", "version": None, "response_ms": None}
    assert service_of(both.snapshot, "fine")["status"] == "healthy"
    (event,) = events
    assert (event["event"], event["service"], event["error"]) == ("health.probe_failed", "broken", "KeyError")
    assert "ada@" not in str(events)


def test_there_is_no_snapshot_before_the_first_round() -> None:
    assert collector(fine=healthy).snapshot is None


async def test_snapshot_is_kept_while_rounds_come_and_cleared_at_the_end() -> None:
    alive = collector(fine=healthy)
    await alive.round()
    assert alive.snapshot is not None
    assert alive.alive
    alive.stop()
    assert alive.snapshot is None
    await alive.round()
    assert alive.snapshot is None
    assert alive.alive


async def test_snapshot_of_a_collector_that_has_died_is_not_told(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(health_collector, "time", SimpleNamespace(monotonic=lambda: now[0]))
    dying = collector(fine=healthy)
    await dying.round()
    now[0] = 3 * 30 + 15
    assert dying.snapshot is not None
    now[0] += 1
    assert dying.snapshot is None
    assert not dying.alive


async def test_snapshot_is_dropped_when_a_later_round_crashes_and_comes_back_with_the_next(
    monkeypatch,
) -> None:
    crashing = collector(fine=healthy)
    await crashing.round()
    with monkeypatch.context() as broken:
        broken.setattr(health_collector, "snapshot", lambda services: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await crashing.round()
        assert crashing.snapshot is None
    await crashing.round()
    assert crashing.snapshot is not None


async def test_hung_round_is_abandoned(monkeypatch) -> None:
    monkeypatch.setattr(health_collector, "CYCLE_SECONDS", 0.05)
    cancelled = asyncio.Event()

    async def hanging() -> ServiceHealth:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return HEALTHY

    stuck = collector(fine=healthy)
    await stuck.round()
    stuck._probes = {"hanging": hanging}
    with capture_logs() as events:
        await stuck.round()
    assert stuck.snapshot is None
    assert cancelled.is_set()
    assert [event["event"] for event in events] == ["health.cycle_abandoned"]


async def test_round_that_does_not_even_take_being_cut_off_is_left_behind(monkeypatch) -> None:
    monkeypatch.setattr(health_collector, "CYCLE_SECONDS", 0.05)
    monkeypatch.setattr(health_collector, "TEARDOWN_SECONDS", 0.05)
    release = asyncio.Event()

    async def stubborn() -> ServiceHealth:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        raise RuntimeError("at last")

    stuck = collector(stubborn=stubborn)
    async with asyncio.timeout(60):
        await stuck.round()
        assert stuck.snapshot is None
        stuck._probes = {"fine": healthy}
        await stuck.round()
        assert stuck.snapshot is not None
        (left,) = stuck._left_behind
        release.set()
        await asyncio.wait({left})
    assert not stuck._left_behind


async def test_stopping_within_a_round_ends_it() -> None:
    cancelled = asyncio.Event()

    async def hanging() -> ServiceHealth:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return HEALTHY

    stuck = collector(hanging=hanging)
    cycle = asyncio.create_task(stuck.round())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    cycle.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cycle
    assert cancelled.is_set()
    assert stuck.snapshot is None
