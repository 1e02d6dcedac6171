"""Ids in requests and tokens: UUIDs in their usual form, or nothing the hub could know."""

from __future__ import annotations

from uuid import UUID


def as_uuid(text: str) -> UUID | None:
    """Read an id in the hyphenated form that the hub and the token issuer use.

    Anything else names nothing: ``None``, and the hub is not asked. In particular the other spellings that
    :class:`uuid.UUID` understands (braces, ``urn:uuid:``, no hyphens) would let one analysis have many names.
    """
    if len(text) != 36:
        return None
    try:
        parsed = UUID(text)
    except ValueError:
        return None
    return parsed if str(parsed) == text.lower() else None
