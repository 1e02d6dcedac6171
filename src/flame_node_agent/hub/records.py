"""Ids in the hub's records."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flame_node_agent.errors import HubUnexpected
from flame_node_agent.hub.dialect import Record


def uuid_of(fields: Record, key: str) -> UUID:
    """Read an id; raises HubUnexpected when it is none."""
    value = fields.get(key)
    found = _parsed(value)
    if found is None:
        raise HubUnexpected(200, f"a record without a usable {key}")
    return found


def is_same(value: Any, expected: UUID) -> bool:
    """Whether ``value``, as it came from the hub, is this id."""
    return _parsed(value) == expected


def _parsed(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
