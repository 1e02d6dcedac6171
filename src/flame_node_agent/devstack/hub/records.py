"""Reading and writing records by their description. Works on a connection, inside a read or a transaction."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from flame_node_agent.devstack.hub.fields import Entity, Field, Kind
from flame_node_agent.devstack.hub.query import Query

type Row = dict[str, Any]

TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


def now() -> str:
    """This moment in UTC with microseconds, sortable as text."""
    return datetime.now(UTC).strftime(TIME_FORMAT)


def new_id() -> str:
    return str(uuid.uuid4())


def find(connection: sqlite3.Connection, entity: Entity, column: str, value: str) -> Row | None:
    """The first row whose ``column`` is ``value``."""
    rows = _select(connection, entity, f"WHERE t.{column} = ? ORDER BY t.rowid LIMIT 1", (value,))
    return next(iter(rows), None)


def find_all(connection: sqlite3.Connection, entity: Entity, column: str, value: Any) -> list[Row]:
    """All rows whose ``column`` is ``value``, oldest first."""
    return list(_select(connection, entity, f"WHERE t.{column} = ? ORDER BY t.rowid", (value,)))


def get(connection: sqlite3.Connection, entity: Entity, record_id: str) -> Row | None:
    return find(connection, entity, "id", record_id)


def search(connection: sqlite3.Connection, entity: Entity, query: Query) -> tuple[int, list[Row]]:
    """The page of rows that ``query`` asks for, and how many match in all."""
    where = " AND ".join(condition.sql for condition in query.conditions) or "TRUE"
    values = tuple(value for condition in query.conditions for value in condition.values)
    total = connection.execute(f"SELECT count(*) FROM {entity.table} t WHERE {where}", values).fetchone()[0]  # noqa: S608 # names come from the entities
    order = ", ".join([*query.order, "t.rowid"])
    tail = f"WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"
    return total, list(_select(connection, entity, tail, (*values, query.limit, query.offset)))


def insert(connection: sqlite3.Connection, entity: Entity, values: Mapping[str, Any]) -> Row:
    """Add a row; what ``values`` leaves out gets its default, an id and the time."""
    moment = now()
    given = {"id": new_id(), "created_at": moment, "updated_at": moment, **values}
    row = {f.name: given.get(f.name, f.default) for f in entity.stored}
    columns = ", ".join(row)
    marks = ", ".join("?" * len(row))
    stored = [_to_sql(f, row[f.name]) for f in entity.stored]
    connection.execute(f"INSERT INTO {entity.table} ({columns}) VALUES ({marks})", stored)  # noqa: S608 # names come from the entities
    inserted = get(connection, entity, row["id"])
    if inserted is None:
        raise LookupError(row["id"])
    return inserted


def update(
    connection: sqlite3.Connection, entity: Entity, record_id: str, values: Mapping[str, Any]
) -> Row | None:
    """Change some fields of a row; None if there is no such row."""
    changed = {**values, "updated_at": now()}
    assignments = ", ".join(f"{name} = ?" for name in changed)
    stored = [_to_sql(entity.by_column[name], value) for name, value in changed.items()]
    connection.execute(f"UPDATE {entity.table} SET {assignments} WHERE id = ?", (*stored, record_id))  # noqa: S608 # names come from the entities
    return get(connection, entity, record_id)


def delete(connection: sqlite3.Connection, entity: Entity, record_id: str) -> Row | None:
    """Remove a row and what hangs on it; returns it as it was, None if there is none."""
    row = get(connection, entity, record_id)
    if row is not None:
        connection.execute(f"DELETE FROM {entity.table} WHERE id = ?", (record_id,))  # noqa: S608 # names come from the entities
    return row


def _select(
    connection: sqlite3.Connection, entity: Entity, tail: str, values: tuple[Any, ...]
) -> Iterable[Row]:
    columns = ", ".join(f"{f.computed or f't.{f.name}'} AS {f.name}" for f in entity.fields)
    for raw in connection.execute(f"SELECT {columns} FROM {entity.table} t {tail}", values):  # noqa: S608 # names come from the entities
        yield {f.name: _from_sql(f, raw[f.name]) for f in entity.fields}


def _to_sql(field: Field, value: Any) -> Any:
    if field.kind is Kind.JSON:
        return json.dumps(value)
    if field.kind is Kind.BOOL and value is not None:
        return int(value)
    return value


def _from_sql(field: Field, value: Any) -> Any:
    if value is None:
        return None
    if field.kind is Kind.JSON:
        return json.loads(value)
    return bool(value) if field.kind is Kind.BOOL else value
