"""The query language of the hub's lists: ``page``, ``filter``, ``sort``, ``include``, ``fields`` (rapiq).

Whatever is not allowed is dropped without an error, as hubs of all releases do: a misspelt filter returns everything.
Values are read like rapiq reads them: trimmed, ``!`` negates, ``~`` compares a prefix, ``<``, ``<=``, ``>``, ``>=``
compare, a comma makes a list, ``null`` is null, and what looks like a number is one (``007`` finds ``7``).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flame_node_agent.devstack.hub.entities import ENTITIES
from flame_node_agent.devstack.hub.fields import Entity, Field, Kind, Relation
from flame_node_agent.devstack.hub.profile import Profile
from flame_node_agent.devstack.hub.refusals import bad_request

MAX_LIMIT = 50
_COMPARISONS = ("<=", "<", ">=", ">")

type SqlValue = str | int | float | None


@dataclass(frozen=True)
class Condition:
    """An SQL condition on the row ``t`` and its parameters."""

    sql: str
    values: tuple[SqlValue, ...] = ()


@dataclass(frozen=True)
class Query:
    """A parsed query: what to select, in which order, and what to nest."""

    limit: int = MAX_LIMIT
    offset: int = 0
    conditions: tuple[Condition, ...] = ()
    order: tuple[str, ...] = ()
    includes: tuple[Relation, ...] = ()
    on_request: frozenset[str] = frozenset()


def parse_query(entity: Entity, profile: Profile, items: Iterable[tuple[str, str]]) -> Query:
    """Read the query parameters ``items`` for a list of ``entity``; a value PostgreSQL would refuse is a 400."""
    parameters = dict(items)
    includes = _includes(entity, profile, parameters.get("include", ""))
    return Query(
        limit=_page(parameters.get("page[limit]"), MAX_LIMIT) or MAX_LIMIT,
        offset=_page(parameters.get("page[offset]"), None),
        conditions=tuple(_conditions(entity, profile, parameters, includes)),
        order=_order(entity, profile, parameters.get("sort", "")),
        includes=includes,
        on_request=_on_request(entity, profile, parameters.get("fields", "")),
    )


def parse_uuid(text: str) -> str:
    """A canonical UUID; anything else is what PostgreSQL says of a malformed uuid parameter, answered as 400."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise bad_request(f'invalid input syntax for type uuid: "{text}"') from None


def _page(text: str | None, most: int | None) -> int:
    if text is None or not text.isdecimal():
        return 0
    return int(text) if most is None else min(int(text), most)


def _includes(entity: Entity, profile: Profile, text: str) -> tuple[Relation, ...]:
    wanted = set(text.split(","))
    return tuple(
        relation
        for relation in entity.relations
        if relation.wire_name(profile) in wanted and profile.release <= relation.until
    )


def _on_request(entity: Entity, profile: Profile, text: str) -> frozenset[str]:
    wanted = {name.removeprefix("+").strip() for name in text.split(",")}
    return frozenset(
        f.name for f in entity.visible(profile) if f.on_request and f.wire_name(profile) in wanted
    )


def _order(entity: Entity, profile: Profile, text: str) -> tuple[str, ...]:
    columns = {_wire(entity, profile, name): name for name in entity.sorts if name in entity.by_column}
    order = tuple(
        f"t.{columns[key.removeprefix('-')]} {'DESC' if key.startswith('-') else 'ASC'}"
        for key in text.split(",")
        if key.removeprefix("-") in columns
    )
    if order:
        return order
    return ("t.updated_at DESC",) if entity.newest_first else ()


def _wire(entity: Entity, profile: Profile, name: str) -> str:
    return entity.by_column[name].wire_name(profile)


def _conditions(
    entity: Entity, profile: Profile, parameters: Mapping[str, str], includes: tuple[Relation, ...]
) -> Iterable[Condition]:
    for name in entity.filters:
        head, _, tail = name.partition(".")
        if tail:
            relation = next((r for r in includes if r.name == head), None)
            if relation is None:
                continue
            target = ENTITIES[relation.target]
            text = parameters.get(f"filter[{relation.wire_name(profile)}.{_wire(target, profile, tail)}]")
            condition = _condition(target.by_column[tail], "r", text)
            if condition is not None:
                rows = f"SELECT r.id FROM {target.table} r WHERE {condition.sql}"  # noqa: S608 # names come from the entities
                nested = f"t.{relation.column} IN ({rows})"
                yield Condition(nested, condition.values)
        elif (column := entity.by_column[head]).exists_in(profile):
            condition = _condition(column, "t", parameters.get(f"filter[{column.wire_name(profile)}]"))
            if condition is not None:
                yield condition


def _condition(column: Field, row: str, text: str | None) -> Condition | None:
    text = (text or "").strip()
    if not text:
        return None
    name = f"{row}.{column.name}"
    negated, text = text.startswith("!"), text.removeprefix("!")
    no = "NOT " if negated else ""
    if text.startswith("~"):
        return Condition(f"{name} {no}LIKE ?", (text.removeprefix("~") + "%",))
    for comparison in _COMPARISONS:
        if text.startswith(comparison):
            return Condition(f"{name} {comparison} ?", (_value(column, text.removeprefix(comparison)),))
    if "," in text:
        values = tuple(_value(column, part) for part in text.split(",") if part)
        return Condition(f"{name} {no}IN ({', '.join('?' * len(values))})", values)
    value = _value(column, text)
    if value is None:
        return Condition(f"{name} IS {no}NULL")
    return Condition(f"{name} {'<>' if negated else '='} ?", (value,))


def _value(column: Field, text: str) -> SqlValue:
    lowered = text.strip().lower()
    if lowered == "null":
        return None
    if column.kind is Kind.UUID:
        return parse_uuid(text)
    if column.kind is Kind.BOOL:
        return int(lowered in {"true", "1"})
    try:
        number = float(text)
    except ValueError:
        return text
    if number != number or number in (float("inf"), float("-inf")):
        return text
    plain = int(number) if number.is_integer() else number
    return plain if column.kind is Kind.INT else str(plain)
