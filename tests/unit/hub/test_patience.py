"""How long a service that is away is waited for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from flame_node_agent.hub import patience
from flame_node_agent.hub.patience import Patience


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """``clock.now`` is the time, in seconds."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(patience.time, "monotonic", lambda: clock.now)
    return clock


def test_it_is_whole_while_nothing_is_known(clock) -> None:
    patient = Patience(60)
    clock.now += 1000
    assert patient.left == 60


def test_it_counts_from_when_the_service_was_first_found_away(clock) -> None:
    patient = Patience(60)
    patient.found_away("refused")
    clock.now += 20
    patient.found_away("refused")
    assert patient.left == 40


def test_whoever_comes_later_does_not_wait_anew(clock) -> None:
    patient = Patience(60)
    for _ in range(9):
        patient.found_away("refused")
        clock.now += 10
    assert patient.left < 0


def test_where_nobody_has_asked_for_long_the_next_one_waits_anew(clock) -> None:
    patient = Patience(60)
    patient.found_away("refused")
    clock.now += 61
    patient.found_away("refused")
    assert patient.left == 60


def test_a_service_that_was_there_in_between_is_waited_for_anew(clock) -> None:
    patient = Patience(60)
    patient.found_away("refused")
    clock.now += 50
    patient.found_there()
    patient.found_away("refused")
    assert patient.left == 60


def test_only_changes_are_news() -> None:
    patient = Patience(60)
    assert not patient.found_there()
    assert patient.found_away("refused")
    assert not patient.found_away("refused")
    assert patient.found_away("no such name")
    assert patient.found_there()
    assert not patient.found_there()
