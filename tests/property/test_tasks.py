"""Whatever a hub sends, a task ends in an outcome, and its error repeats nothing of what was in the envelope."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any
from unittest.mock import AsyncMock, Mock

from hypothesis import given
from hypothesis import strategies as st

from flame_node_agent.config.task_limits import TASK_TYPES
from flame_node_agent.crypto.envelope import Keyring, task_context
from flame_node_agent.errors import ServiceFailed
from flame_node_agent.tasks.perform import Tasks
from flame_node_agent.tasks.registry import handlers
from flame_node_agent.wire.task_payloads import (
    CohortQuery,
    CreateImaging,
    DeleteImaging,
    ImagingStatus,
    PersistCohort,
    UserProfile,
)
from flame_node_agent.wire.tasks import Outcome

KEYRING = Keyring(base64.b64encode(bytes(32)).decode("ascii"))
MARK = "ada@hospital.example"

FIELDS = sorted(
    {
        field
        for form in (CohortQuery, CreateImaging, DeleteImaging, ImagingStatus, PersistCohort, UserProfile)
        for field in form.model_fields
    }
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(MARK)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
PAYLOADS = VALUES | st.dictionaries(st.sampled_from(FIELDS), VALUES)


def performed(task_type: str, wire: str) -> Outcome:
    refusing = Mock(call=AsyncMock(side_effect=ServiceFailed(502, "away")))
    services = Mock(data_access=refusing, imaging=refusing, cohort_admin_headers={})
    return asyncio.run(Tasks(KEYRING, handlers(services)).perform(task_type, wire))


def error_of(outcome: Outcome) -> str:
    assert not outcome.success
    assert outcome.result is not None
    return str(json.loads(outcome.result)["error"])


@given(st.sampled_from(TASK_TYPES) | st.text(), st.text())
def test_any_text_in_place_of_an_envelope_is_a_failure(task_type: str, wire: str) -> None:
    assert error_of(performed(task_type, wire)).startswith(("Unknown task type: ", "Invalid payload: "))


@given(st.sampled_from(TASK_TYPES), st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_in_an_envelope_is_a_failure(task_type: str, text: str) -> None:
    error = error_of(performed(task_type, KEYRING.encrypt(text, task_context(task_type))))
    assert error.startswith("Invalid payload: ") or "validation error" in error


@given(st.sampled_from(TASK_TYPES), PAYLOADS)
def test_any_json_in_an_envelope_is_a_failure_that_repeats_none_of_it(task_type: str, payload: Any) -> None:
    wire = KEYRING.encrypt(json.dumps(payload), task_context(task_type))
    error = error_of(performed(task_type, wire))
    assert error == "502: away" or "validation error" in error
    assert MARK not in error
