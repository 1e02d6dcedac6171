"""Checking what a client sends to create or change a record."""

from __future__ import annotations

import re
import uuid
from typing import Any

from flame_node_agent.devstack.hub.fields import Entity, Field, Kind
from flame_node_agent.devstack.hub.profile import Profile
from flame_node_agent.devstack.hub.refusals import Refusal, bad_request

_HEX = re.compile(r"[A-Fa-f0-9]+")


def read_payload(entity: Entity, profile: Profile, body: Any, *, creating: bool) -> dict[str, Any]:
    """The fields of ``body`` (a JSON object) that may be set, by column name. Unknown keys are ignored.

    Raises a 400 that names every field that is missing or of the wrong type.
    """
    if not isinstance(body, dict):
        raise bad_request("The request body must be a JSON object.")
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for column in entity.visible(profile):
        name = column.wire_name(profile)
        if not (column.create if creating else column.update):
            continue
        if name not in body or (body[name] is None and column.default is not None):
            if creating and column.required:
                wrong.append(name)
        elif (body[name] is None and not column.required) or _fits(column, body[name]):
            values[column.name] = _canonical(column, body[name])
        else:
            wrong.append(name)
    for column in entity.fields:
        # Secrets are taken but never shown.
        settable = column.create if creating else column.update
        if column.secret and settable and isinstance(body.get(column.name), str):
            values[column.name] = body[column.name]
    if wrong:
        issues = [{"path": [name], "message": "Invalid value"} for name in wrong]
        raise bad_request(f"The attributes {', '.join(wrong)} are invalid.", issues=issues)
    return values


def check_lengths(entity: Entity, values: dict[str, Any]) -> None:
    """PostgreSQL's ``value too long for type character varying(n)``, which hubs answer as an internal error."""
    for column in entity.fields:
        value = values.get(column.name)
        if column.max_length is not None and isinstance(value, str) and len(value) > column.max_length:
            raise Refusal(500, f"value too long for type character varying({column.max_length})")


def public_key_hex(key: str | None) -> str | None:
    """A node's public key as the hub keeps it: hex as given, anything else as the lower-case hex of its UTF-8 bytes."""
    if key is None or _HEX.fullmatch(key):
        return key
    return key.encode().hex()


def _fits(column: Field, value: Any) -> bool:
    if column.choices is not None:
        return value in column.choices
    if column.kind is Kind.UUID:
        try:
            uuid.UUID(value)
        except (ValueError, AttributeError, TypeError):
            return False
        return True
    if column.kind is Kind.BOOL:
        return isinstance(value, bool)
    if column.kind is Kind.INT:
        return isinstance(value, int) and not isinstance(value, bool)
    if column.kind is Kind.JSON:
        return isinstance(value, list)
    return isinstance(value, str) and (bool(value.strip()) or not column.required)


def _canonical(column: Field, value: Any) -> Any:
    return str(uuid.UUID(value)) if column.kind is Kind.UUID and value is not None else value
