"""Which generation of the hub is speaking, found out by what it says.

    LEGACY   up to 0.8.21    snake_case, ``external_id``, files are linked by the node
    SNAKE    0.8.22 - 0.12   snake_case, ``bucket_id``, the hub links by itself
    CAMEL    from 0.13 on    camelCase, ``bucketId``, records within ``{"data", "meta"}``

Nothing is remembered for good: every answer is looked at, so a hub that is upgraded under a running agent is
understood from its next answer on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")
_UNDERSCORE = re.compile(r"_([a-z0-9])")

Record = Mapping[str, Any]


class Spelling(StrEnum):
    """How the hub writes the names of fields."""

    SNAKE = "snake_case"
    CAMEL = "camelCase"

    def write(self, key: str) -> str:
        """Write a snake_case key in this spelling."""
        if self is Spelling.SNAKE:
            return key
        return _UNDERSCORE.sub(lambda match: match[1].upper(), key)

    @property
    def other(self) -> Spelling:
        """The other one of the two."""
        return Spelling.CAMEL if self is Spelling.SNAKE else Spelling.SNAKE


class Dialect(StrEnum):
    """The generations of the hub, each named by its first version that matters here."""

    LEGACY = "0.8.21"
    SNAKE = "0.8.22"
    CAMEL = "0.13"

    @property
    def links_by_itself(self) -> bool:
        """Whether the hub links an uploaded file to its analysis on its own."""
        return self is not Dialect.LEGACY


def unwrap(body: Any) -> Record | None:
    """Take a single record out of its envelope, if it has one; None for anything that is no record."""
    if isinstance(body, dict) and isinstance(body.get("data"), dict) and "meta" in body:
        body = body["data"]
    return body if isinstance(body, dict) else None


def snake_keys(record: Record) -> dict[str, Any]:
    """The same record with its keys in snake_case, whatever the hub wrote."""
    return {_HUMP.sub(lambda match: f"_{match[1].lower()}", key): value for key, value in record.items()}


def spelling_of(keys: Iterable[str]) -> Spelling | None:
    """Tell the spelling of field names; None when they say nothing, or both."""
    names = list(keys)
    snake = any("_" in name for name in names)
    camel = any(_HUMP.search(name) for name in names)
    if snake == camel:
        return None
    return Spelling.SNAKE if snake else Spelling.CAMEL


def dialect_of_bucket(record: Record) -> Dialect | None:
    """Tell the generation by an analysis bucket, the one record that differs in all three; None for neither.

    A record with both ``external_id`` and ``bucket_id`` counts as the oldest: to link a file that is linked already
    does no harm, to leave it unlinked would hide it.
    """
    if "external_id" in record:
        return Dialect.LEGACY
    if "bucketId" in record:
        return Dialect.CAMEL
    return Dialect.SNAKE if "bucket_id" in record else None


def spelling_of_page(records: Sequence[Record], meta: Any) -> Spelling | None:
    """Tell the spelling by a page of a list: by its records, else by the filter keys it says it understands.

    ``meta.schema`` came with hub 0.13 (docs, "Query Capability Discovery").
    """
    spelled = spelling_of(key for record in records for key in record)
    if spelled is not None:
        return spelled
    schema = meta.get("schema") if isinstance(meta, dict) else None
    if schema is None:
        return None if records else Spelling.SNAKE
    filters = schema.get("filters") if isinstance(schema, dict) else None
    allowed = filters.get("allowed") if isinstance(filters, dict) else None
    names = [name for name in allowed if isinstance(name, str)] if isinstance(allowed, list) else []
    return spelling_of(names) or Spelling.CAMEL
