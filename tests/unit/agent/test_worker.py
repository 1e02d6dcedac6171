"""When a failed upload is tried again."""

from __future__ import annotations

from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from flame_node_agent.agent.delivery import Delivery
from flame_node_agent.agent.leases import Leases
from flame_node_agent.agent.worker import Worker
from flame_node_agent.config.outbox import OutboxSettings
from flame_node_agent.stores.outbox import Outbox


def worker(**settings: float) -> Worker:
    nothing = object()
    return Worker(
        cast("Outbox", nothing),
        cast("Delivery", nothing),
        cast("Leases", nothing),
        OutboxSettings.model_validate(settings),
    )


@given(st.integers(0, 10_000))
def test_no_wait_is_longer_than_the_cap_however_often_it_failed(attempts: int) -> None:
    assert 0 <= worker(backoff_base_seconds=1, backoff_cap_seconds=60).backoff(attempts) <= 60


def test_waits_grow_exponentially_and_are_spread_over_their_whole_range() -> None:
    patient = worker(backoff_base_seconds=1, backoff_cap_seconds=1000)
    for attempts, ceiling in ((1, 1), (2, 2), (5, 16), (9, 256)):
        waits = [patient.backoff(attempts) for _ in range(500)]
        assert max(waits) <= ceiling
        assert max(waits) > 0.9 * ceiling
        assert min(waits) < 0.1 * ceiling
