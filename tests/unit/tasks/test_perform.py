"""From a sealed payload to an outcome: what the tests of FLIP's trust-api check of its dispatch."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from structlog.testing import capture_logs

from flame_node_agent.crypto.envelope import Keyring
from flame_node_agent.tasks.outcomes import failure, success
from flame_node_agent.tasks.perform import Tasks
from flame_node_agent.telemetry import metrics
from flame_node_agent.wire.tasks import Outcome
from tests.unit.tasks.conftest import KEY_TEXT, said, sealed
from tests.unit.tasks.payloads import CALLS, COHORT_QUERY, PAYLOADS


class Recording:
    """A handler that notes what it was given."""

    def __init__(self, outcome: Outcome | BaseException) -> None:
        self.outcome = outcome
        self.payloads: list[Any] = []

    async def __call__(self, payload: Any) -> Outcome:
        self.payloads.append(payload)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome

    def timed_out(self, payload: Any, seconds: float) -> Outcome:
        self.payloads.append((payload, seconds))
        return failure("given up")


@pytest.fixture
def recording() -> Recording:
    return Recording(success())


@pytest.fixture
def performing(recording: Recording) -> Tasks:
    return Tasks(Keyring(KEY_TEXT), {"a": recording, "b": Recording(success("b"))})


async def test_task_goes_to_the_handler_of_its_type(performing, recording) -> None:
    assert await performing.perform("a", sealed("a", {"x": 1})) == Outcome(success=True)
    assert await performing.perform("b", sealed("b", {})) == Outcome(success=True, result='"b"')
    assert recording.payloads == [{"x": 1}]


async def test_unknown_type_is_refused_before_anything_is_opened(performing) -> None:
    assert said(await performing.perform("c", "no envelope")) == {"error": "Unknown task type: c"}


async def test_what_is_no_envelope_is_an_invalid_payload(performing, recording) -> None:
    error = "Invalid payload: Payload is not a FLIP encryption envelope"
    assert said(await performing.perform("a", "{}")) == {"error": error}
    assert recording.payloads == []


async def test_what_is_no_json_is_an_invalid_payload(performing, recording) -> None:
    wire = Keyring(KEY_TEXT).encrypt("SELECT secret", "task:a")
    error = said(await performing.perform("a", wire))["error"]
    assert error == "Invalid payload: Expecting value: line 1 column 1 (char 0)"
    deep = Keyring(KEY_TEXT).encrypt("[" * 100_000, "task:a")
    assert said(await performing.perform("a", deep))["error"] == "Invalid payload: nested too deeply"
    assert recording.payloads == []


async def test_wrong_key_fails_authentication(performing, recording) -> None:
    other = Keyring(base64.b64encode(bytes(32)).decode())
    outcome = await performing.perform("a", other.encrypt("{}", "task:a"))
    assert outcome == failure("Invalid payload: failed authentication")
    assert recording.payloads == []


async def test_unknown_kid_is_named(performing, recording) -> None:
    other = Keyring(KEY_TEXT, {"trust-9": KEY_TEXT}, seal_with="trust-9")
    outcome = await performing.perform("a", other.encrypt("{}", "task:a"))
    assert said(outcome) == {"error": "Invalid payload: No key registered for kid 'trust-9'"}
    assert recording.payloads == []


async def test_payload_of_the_same_type_opens(tasks, mocked) -> None:
    for task_type, payload in PAYLOADS.items():
        method, url = CALLS[task_type]
        mocked.route(method=method, url__startswith=url).respond(json={"ok": True})
        assert (await tasks.perform(task_type, sealed(task_type, payload))).success


async def test_payload_of_another_type_is_rejected_and_its_handler_not_called(performing, recording) -> None:
    outcome = await performing.perform("a", sealed("b", {}))
    assert said(outcome) == {"error": "Invalid payload: failed authentication"}
    assert recording.payloads == []


async def test_error_of_a_service_is_wrapped_in_the_result(tasks, mocked) -> None:
    mocked.put(CALLS["update_user_profile"][1]).respond(404, json={"detail": "no such user"})
    outcome = await tasks.perform(
        "update_user_profile", sealed("update_user_profile", PAYLOADS["update_user_profile"])
    )
    assert outcome == Outcome(success=False, result='{"error": "404: no such user"}')


async def test_status_code_is_forwarded_when_given_and_left_out_when_not() -> None:
    assert said(failure("x", status_code=404)) == {"error": "x", "status_code": 404}
    assert said(failure("x")) == {"error": "x"}


async def test_handler_that_raises_is_a_failure_that_tells_nothing_of_the_payload() -> None:
    crashing = Tasks(Keyring(KEY_TEXT), {"a": Recording(KeyError("ada@hospital.example"))})
    with capture_logs() as events:
        outcome = await crashing.perform("a", sealed("a", {}))
    assert said(outcome) == {"error": "Internal error of the node (KeyError)"}
    (event,) = events
    assert (event["event"], event["error"]) == ("task.crashed", "KeyError")
    assert event["place"].startswith("test_perform.py:")
    assert "ada@" not in str(events)


async def test_cancelling_is_not_taken_for_an_outcome() -> None:
    waiting = Tasks(Keyring(KEY_TEXT), {"a": Recording(asyncio.CancelledError())})
    before = metrics.TASKS_PERFORMED.labels("a", "cancelled")._value.get()
    with pytest.raises(asyncio.CancelledError):
        await waiting.perform("a", sealed("a", {}))
    assert metrics.TASKS_PERFORMED.labels("a", "cancelled")._value.get() == before + 1


async def test_outcomes_are_counted_by_type(performing) -> None:
    def counts() -> tuple[float, ...]:
        labels = (("a", "success"), ("a", "failure"), ("unknown", "failure"))
        return tuple(metrics.TASKS_PERFORMED.labels(*each)._value.get() for each in labels)

    before = counts()
    await performing.perform("a", sealed("a", {}))
    await performing.perform("a", "no envelope")
    await performing.perform("made up by a hub", "")
    assert tuple(now - then for now, then in zip(counts(), before, strict=True)) == (1, 1, 1)


async def test_nothing_of_a_payload_is_logged(tasks, mocked) -> None:
    for task_type, payload in PAYLOADS.items():
        method, url = CALLS[task_type]
        mocked.route(method=method, url__startswith=url).respond(500, text="went wrong")
        with capture_logs() as events:
            await tasks.perform(task_type, sealed(task_type, payload))
        assert events == []


async def test_task_that_was_given_up_is_told_to_its_handler(performing, recording, tasks) -> None:
    assert said(performing.timed_out("a", sealed("a", {"x": 1}), 5)) == {"error": "given up"}
    assert recording.payloads == [({"x": 1}, 5)]
    outcome = tasks.timed_out("cohort_query", sealed("cohort_query", COHORT_QUERY), 300)
    assert outcome.cohort_report is not None


@pytest.mark.parametrize("task_type", ["a", "c"])
def test_task_that_cannot_be_opened_can_be_given_up(performing, task_type) -> None:
    assert said(performing.timed_out(task_type, "no envelope", 0.5)) == {"error": "Given up after 0.5 s"}
