"""The tables of FLIP's side of the hub: trusts, their tasks, and what they answer to cohort queries."""

from __future__ import annotations

import sqlite3

_STATEMENTS = (
    """
    CREATE TABLE IF NOT EXISTS trusts (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        code TEXT NOT NULL UNIQUE,
        region TEXT NOT NULL,
        api_key_hash TEXT NOT NULL UNIQUE,
        fl_kit_slot_number INTEGER NOT NULL UNIQUE,
        created_at TEXT NOT NULL,
        last_heartbeat TEXT,
        services_health TEXT,
        services_health_at TEXT
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS trust_tasks (
        id TEXT PRIMARY KEY,
        trust_id TEXT NOT NULL REFERENCES trusts (id),
        task_type TEXT NOT NULL,
        payload TEXT NOT NULL,
        query_id TEXT,
        status TEXT NOT NULL DEFAULT 'PENDING',
        result TEXT,
        retry_count INTEGER NOT NULL DEFAULT 0,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS trust_tasks_due ON trust_tasks (trust_id, status, created_at)",
    "CREATE INDEX IF NOT EXISTS trust_tasks_stale ON trust_tasks (status, updated_at)",
    "CREATE INDEX IF NOT EXISTS trust_tasks_query ON trust_tasks (query_id)",
    """
    CREATE TABLE IF NOT EXISTS cohort_results (
        query_id TEXT NOT NULL,
        trust_id TEXT NOT NULL REFERENCES trusts (id),
        data TEXT NOT NULL,
        reports INTEGER NOT NULL DEFAULT 1,
        PRIMARY KEY (query_id, trust_id)
    )
    """,
)


def create_trust_tables(connection: sqlite3.Connection) -> None:
    """Make what is missing."""
    for statement in _STATEMENTS:
        connection.execute(statement)
