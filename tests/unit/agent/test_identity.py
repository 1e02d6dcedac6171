"""The hub's view of who this node is, checked whenever it changes."""

from __future__ import annotations

from uuid import UUID

import pytest
from structlog.testing import capture_logs

from flame_node_agent.agent.identity import EXIT_CODE, IdentityCheck
from flame_node_agent.wire.tasks import Identity

ID, OTHER_ID = "5d0e4ad6-3e0a-4c59-9b15-6a2f4e2c0d22", "0b9b0cf4-6b83-4d4c-8d6b-6a9a3a1d2c11"
OURS, OTHER = Identity(ID, "St Elsewhere"), Identity(OTHER_ID, "General")


def test_identity_is_logged_once() -> None:
    check = IdentityCheck(None)
    with capture_logs() as events:
        assert check.seen(OURS)
        assert check.seen(OURS)
    (event,) = events
    assert event["event"] == "identity.confirmed"
    assert (event["trust_id"], event["trust_name"]) == (ID, "St Elsewhere")


@pytest.mark.parametrize("spelling", [ID, ID.upper(), ID.replace("-", "")])
def test_expected_trust_may_go_on(spelling: str) -> None:
    check = IdentityCheck(UUID(ID))
    assert check.seen(Identity(spelling, "St Elsewhere"))
    assert not check.mismatch.is_set()


@pytest.mark.parametrize("trust_id", [OTHER_ID, "no uuid"])
async def test_another_trust_must_stop_with_exit_code_2(trust_id: str) -> None:
    check = IdentityCheck(UUID(ID))
    with capture_logs() as events:
        assert not check.seen(Identity(trust_id, "General"))
    assert [event["event"] for event in events] == ["identity.mismatch"]
    assert events[0]["log_level"] == "critical"
    assert events[0]["expected"] == ID
    await check.mismatch.wait()
    assert EXIT_CODE == 2


def test_answers_without_identity_are_ignored() -> None:
    check = IdentityCheck(UUID(ID))
    with capture_logs() as events:
        assert check.seen(None)
    assert not events
    assert check.seen(OURS)
    assert check.seen(None)


def test_every_change_of_identity_is_checked() -> None:
    check = IdentityCheck(UUID(ID))
    assert check.seen(OURS)
    assert not check.seen(OTHER)
    assert check.mismatch.is_set()


def test_every_change_of_identity_is_logged_where_none_is_expected() -> None:
    check = IdentityCheck(None)
    with capture_logs() as events:
        for identity in (OURS, OTHER, OTHER, OURS, Identity(ID, "St Elsewhere NHS")):
            assert check.seen(identity)
    assert len(events) == 4
    assert not check.mismatch.is_set()


def test_mismatch_is_for_good() -> None:
    """A hub that wavers must not get another task out of this node."""
    check = IdentityCheck(UUID(ID))
    check.seen(OTHER)
    assert not check.seen(OURS)
    assert not check.seen(None)
