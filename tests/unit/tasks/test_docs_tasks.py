"""``docs/reference/tasks.md`` tells every type of task with the fields of its payload."""

from __future__ import annotations

import pytest

from flame_node_agent.config.task_limits import TASK_TYPES
from flame_node_agent.tasks.registry import handlers
from tests.unit.reference_pages import assert_prose, assert_same, page, rows, sections

TYPES = sections(page("tasks.md"), "###")


def test_every_type_is_documented() -> None:
    assert_same(set(TYPES), set(TASK_TYPES), "tasks.md")


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_payload_is_documented_field_by_field(services, task_type: str) -> None:
    handler = handlers(services)[task_type]
    fields = handler.payload.model_fields
    told = rows(TYPES[task_type])
    assert_same(set(told), set(fields), f"tasks.md, {task_type}")
    for form, meaning in told.values():
        assert form
        assert_prose(meaning)
