"""The tables of the state file, derived from the entities. They are the same for every release.

A state folder can therefore be served as 0.8.21 today and as 0.13 tomorrow, like a hub that is upgraded.
"""

from __future__ import annotations

import sqlite3

from flame_node_agent.devstack.hub.entities import ENTITIES
from flame_node_agent.devstack.hub.fields import Entity, Kind

_TYPES = {Kind.BOOL: "INTEGER", Kind.INT: "INTEGER"}
_INDEXES = (
    ("analysis_bucket_files", "bucket_file_id"),
    ("analysis_bucket_files", "analysis_id, path"),
    ("analysis_buckets", "bucket_id"),
    ("analyses", "project_id"),
    ("bucket_files", "link_due"),
)


def create_tables(connection: sqlite3.Connection) -> None:
    """Make what is missing."""
    connection.execute("CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
    for entity in ENTITIES.values():
        connection.execute(_table(entity))
    for table, columns in _INDEXES:
        name = f"{table}_{columns.replace(', ', '_')}"
        connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {table} ({columns})")


def _table(entity: Entity) -> str:
    columns = [
        f"{f.name} {_TYPES.get(f.kind, 'TEXT')}{' PRIMARY KEY' if f.name == 'id' else ''}"
        for f in entity.stored
    ]
    return f"CREATE TABLE IF NOT EXISTS {entity.table} ({', '.join([*columns, *entity.constraints])})"
