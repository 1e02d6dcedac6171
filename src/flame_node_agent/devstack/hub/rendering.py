"""From rows to what a hub of this release sends: names, envelopes, ``meta.schema``."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from flame_node_agent.devstack.hub import records
from flame_node_agent.devstack.hub.entities import ENTITIES
from flame_node_agent.devstack.hub.fields import Entity, Kind
from flame_node_agent.devstack.hub.profile import Profile
from flame_node_agent.devstack.hub.query import MAX_LIMIT, Query
from flame_node_agent.devstack.hub.records import Row

type Json = dict[str, Any]


def render(entity: Entity, profile: Profile, row: Row, on_request: frozenset[str] = frozenset()) -> Json:
    """One row as the release's JSON object, relations not included."""
    return {
        f.wire_name(profile): _milliseconds(row[f.name]) if f.kind is Kind.TIME else row[f.name]
        for f in entity.visible(profile)
        if not f.on_request or f.name in on_request
    }


def render_with_relations(
    connection: sqlite3.Connection, entity: Entity, profile: Profile, row: Row, query: Query
) -> Json:
    """One row with the records that ``include`` asked for nested into it."""
    record = render(entity, profile, row, query.on_request)
    for relation in query.includes:
        target = ENTITIES[relation.target]
        key = row[relation.column]
        related = records.get(connection, target, key) if key is not None else None
        record[relation.wire_name(profile)] = related and render(target, profile, related)
    return record


def single(entity: Entity, profile: Profile, record: Json) -> Json:
    """The answer to ``GET /x/{id}``: bare until 0.12, ``{data, meta}`` since."""
    if not profile.enveloped:
        return record
    return {"data": record, "meta": {"schema": _schema(entity, profile)}}


def mutated(profile: Profile, record: Json) -> Json:
    """The answer to a create, update or delete."""
    return {"data": record, "meta": {}} if profile.enveloped else record


def listed(entity: Entity, profile: Profile, rows: Sequence[Json], total: int, query: Query) -> Json:
    """The answer to ``GET /x``."""
    meta: Json = {"total": total, "limit": query.limit, "offset": query.offset}
    if profile.enveloped:
        meta["schema"] = {
            **_schema(entity, profile),
            "filters": {"allowed": [_filter_name(profile, name) for name in entity.filters]},
            "sort": {"allowed": [entity.by_column[name].wire_name(profile) for name in entity.sorts]},
            "pagination": {"maxLimit": MAX_LIMIT},
        }
    return {"data": list(rows), "meta": meta}


def _filter_name(profile: Profile, name: str) -> str:
    return ".".join(profile.wire_name(part) for part in name.split("."))


def _schema(entity: Entity, profile: Profile) -> Json:
    names = [f.wire_name(profile) for f in entity.visible(profile) if not f.on_request]
    relations = [r for r in entity.relations if profile.release <= r.until]
    return {
        "name": profile.wire_name(entity.name),
        "strict": True,
        "fields": {"default": names, "allowed": names},
        "relations": {
            "allowed": [r.wire_name(profile) for r in relations] or None,
            "schemas": {r.wire_name(profile): profile.wire_name(r.target) for r in relations} or None,
        },
    }


def _milliseconds(time: str | None) -> str | None:
    """PostgreSQL keeps microseconds, JavaScript's JSON shows milliseconds."""
    return time and f"{time[:-4]}Z"
