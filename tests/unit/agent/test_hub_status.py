"""What is known of the hub's version and key."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from flame_node_agent.agent.hub_status import HubStatus

OWN, OTHER = "630dcd2966c4", "aaaaaaaaaaaa"


def state(status: HubStatus) -> tuple[str | None, str | None, bool | None]:
    return status.hub_version, status.hub_key_fingerprint, status.hub_key_match


@pytest.fixture
def status() -> HubStatus:
    return HubStatus({OWN})


def test_nothing_is_known_at_first(status) -> None:
    assert state(status) == (None, None, None)


def test_same_key_matches(status) -> None:
    status.record("1.2", OWN)
    assert state(status) == ("1.2", OWN, True)
    status.record("1.2", OWN.upper())
    assert status.hub_key_match


def test_trusts_own_key_matches_as_well() -> None:
    status = HubStatus({OWN, OTHER})
    status.record("1.2", OTHER)
    assert status.hub_key_match is True


def test_hub_that_does_not_say_is_unknown_and_no_mismatch(status) -> None:
    with capture_logs() as events:
        status.record(None, None)
    assert state(status) == (None, None, None)
    assert not events


def test_without_own_key_nothing_can_match_but_the_fingerprint_is_kept() -> None:
    status = HubStatus(())
    with capture_logs() as events:
        status.record("1.2", OTHER)
    assert state(status) == ("1.2", OTHER, None)
    assert not events


def test_mismatch_is_logged_once_until_there_was_a_match(status) -> None:
    with capture_logs() as events:
        for fingerprint in (OTHER, OTHER, "bbbbbbbbbbbb", None, OTHER, OWN, OTHER, OTHER):
            status.record("1.2", fingerprint)
    assert [event["event"] for event in events] == ["hub.key_mismatch"] * 2
    assert status.hub_key_match is False


def test_forgetting_keeps_what_was_logged(status) -> None:
    with capture_logs() as events:
        status.record("1.2", OTHER)
        status.forget()
        assert state(status) == (None, None, None)
        status.record("1.2", OTHER)
    assert len(events) == 1
