"""The words with which the hub's records are described: fields, relations, entities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

from flame_node_agent.devstack.hub.profile import Profile, Release


class Kind(Enum):
    """How a value is checked, stored in SQLite and written as JSON."""

    UUID = "uuid"
    TEXT = "text"
    BOOL = "bool"
    INT = "int"
    JSON = "json"
    TIME = "time"


@dataclass(frozen=True)
class Field:
    """One field of a record.

    ``since`` and ``until`` are the first and last release that has it, ``legacy`` is its name in 0.8.21.
    ``computed`` is an SQL expression for a value that is counted, not stored. ``on_request`` fields are only sent
    when the query says ``fields=+name``; ``secret`` ones never leave the database.
    """

    name: str
    kind: Kind = Kind.TEXT
    default: Any = None
    create: bool = False
    update: bool = False
    required: bool = False
    since: Release = Release.R0_8_21
    until: Release = Release.R0_13
    legacy: str | None = None
    computed: str | None = None
    on_request: bool = False
    secret: bool = False
    choices: frozenset[str] | None = None
    max_length: int | None = None

    def exists_in(self, profile: Profile) -> bool:
        return self.since <= profile.release <= self.until and not self.secret

    def wire_name(self, profile: Profile) -> str:
        if self.legacy is not None and profile.release is Release.R0_8_21:
            return self.legacy
        return profile.wire_name(self.name)


@dataclass(frozen=True)
class Relation:
    """A record that can be nested into another: ``include=name`` follows ``column`` to the entity ``target``."""

    name: str
    target: str
    column: str
    legacy: str | None = None
    until: Release = Release.R0_13

    def wire_name(self, profile: Profile) -> str:
        if self.legacy is not None and profile.release is Release.R0_8_21:
            return self.legacy
        return profile.wire_name(self.name)


@dataclass(frozen=True)
class Entity:
    """One kind of record: its table, its route, and what a query may name (rapiq allow-lists)."""

    name: str
    route: str
    fields: tuple[Field, ...]
    filters: tuple[str, ...] = ("id", "name")
    sorts: tuple[str, ...] = ("id", "name", "created_at", "updated_at")
    relations: tuple[Relation, ...] = ()
    constraints: tuple[str, ...] = ()
    newest_first: bool = False
    by_name: bool = False
    writable: bool = True

    @property
    def table(self) -> str:
        return self.route.replace("-", "_")

    @property
    def what(self) -> str:
        return self.name.replace("_", " ")

    @cached_property
    def stored(self) -> tuple[Field, ...]:
        return tuple(f for f in self.fields if f.computed is None)

    @cached_property
    def by_column(self) -> Mapping[str, Field]:
        return {f.name: f for f in self.fields}

    def visible(self, profile: Profile) -> tuple[Field, ...]:
        return tuple(f for f in self.fields if f.exists_in(profile))


@dataclass(frozen=True)
class Catalogue:
    """All entities of one service, by route."""

    service: str
    entities: tuple[Entity, ...]

    @cached_property
    def by_route(self) -> Mapping[str, Entity]:
        return {entity.route: entity for entity in self.entities}


ID = Field("id", Kind.UUID)
REALM_ID = Field("realm_id", Kind.UUID)
TIMES = (Field("created_at", Kind.TIME), Field("updated_at", Kind.TIME))
OWNERS = (
    Field("user_id", Kind.UUID),
    Field("robot_id", Kind.UUID),
    Field("client_id", Kind.UUID, since=Release.R0_8_30),
)
