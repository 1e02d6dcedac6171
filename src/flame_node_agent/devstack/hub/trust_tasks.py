"""The life of a task at the hub: PENDING, IN_PROGRESS, then COMPLETED or FAILED (FLIP hub, 2.3 and 2.4)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.exceptions import HTTPException

from flame_node_agent.crypto.envelope import PROJECT_ID_CONTEXT, task_context
from flame_node_agent.devstack.hub import records
from flame_node_agent.devstack.hub.trusts import Trust

type Seal = Callable[[str, str], str]
"""From a plaintext and what it is for to its wire form."""

BATCH = 50
_NEED_TRUST = frozenset({"cohort_query", "persist_cohort", "create_imaging"})
_NEED_PROJECT = frozenset({"cohort_query", "persist_cohort"})
_SHOWN = "id, trust_id, task_type, query_id, status, result, retry_count, created_at, updated_at"


def completed(task_type: str, payload: dict[str, Any], trust_id: str, seal: Seal) -> dict[str, Any]:
    """A payload of plain fields with what the hub adds: the trust's id, the project's in an envelope, a query id."""
    full = dict(payload)
    if task_type in _NEED_TRUST:
        full.setdefault("trust_id", trust_id)
    if task_type in _NEED_PROJECT and "project_id" in full:
        full.setdefault("encrypted_project_id", seal(str(full["project_id"]), PROJECT_ID_CONTEXT))
    if task_type == "cohort_query":
        full.pop("project_id", None)
        full.setdefault("query_id", records.new_id())
    return full


def queue(connection: sqlite3.Connection, trust_id: str, task_type: str, payload: dict[str, Any]) -> str:
    """Note a task as PENDING; the payload is kept as plain JSON. Returns its id."""
    task_id, now = records.new_id(), records.now()
    connection.execute(
        "INSERT INTO trust_tasks (id, trust_id, task_type, payload, query_id, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (task_id, trust_id, task_type, json.dumps(payload), payload.get("query_id"), now, now),
    )
    return task_id


def take_pending(connection: sqlite3.Connection, trust: Trust) -> list[sqlite3.Row]:
    """Up to 50 tasks, oldest first, which from now on are IN_PROGRESS."""
    rows = connection.execute(
        "SELECT id, task_type, payload, created_at FROM trust_tasks WHERE trust_id = ? AND status = 'PENDING'"
        " ORDER BY created_at, rowid LIMIT ?",
        (trust.id, BATCH),
    ).fetchall()
    now = records.now()
    connection.executemany(
        "UPDATE trust_tasks SET status = 'IN_PROGRESS', updated_at = ? WHERE id = ?",
        [(now, row["id"]) for row in rows],
    )
    return rows


def sealed(row: sqlite3.Row, seal: Seal) -> dict[str, str]:
    """A task as it goes to its trust, in an envelope that is made now and for its type only."""
    return {
        "id": row["id"],
        "task_type": row["task_type"],
        "payload": seal(row["payload"], task_context(row["task_type"])),
        "created_at": row["created_at"],
    }


def settle(
    connection: sqlite3.Connection, trust: Trust, task_id: str, success: bool, result: str | None
) -> None:
    """Take a result; 404 for an unknown task, 403 for another trust's, 409 for one that is not IN_PROGRESS."""
    row = connection.execute("SELECT trust_id, status FROM trust_tasks WHERE id = ?", (task_id,)).fetchone()
    if row is None:
        raise HTTPException(404, f"Task {task_id} not found")
    if row["trust_id"] != trust.id:
        raise HTTPException(403, f"Task {task_id} does not belong to trust '{trust.name}'")
    if row["status"] != "IN_PROGRESS":
        raise HTTPException(409, f"Task {task_id} is not in progress (current status: {row['status']})")
    connection.execute(
        "UPDATE trust_tasks SET status = ?, result = ?, updated_at = ? WHERE id = ?",
        ("COMPLETED" if success else "FAILED", result, records.now(), task_id),
    )


def recover_stale(connection: sqlite3.Connection, stale_seconds: float, max_retries: int) -> None:
    """Hand out again what has been IN_PROGRESS for too long, or give it up after ``max_retries`` times."""
    now = datetime.now(UTC)
    before = (now - timedelta(seconds=stale_seconds)).strftime(records.TIME_FORMAT)
    given_up = json.dumps({"error": f"Exceeded maximum retries ({max_retries})"})
    stale = {
        "now": now.strftime(records.TIME_FORMAT),
        "before": before,
        "most": max_retries,
        "given_up": given_up,
    }
    connection.execute(
        "UPDATE trust_tasks SET status = 'FAILED', result = :given_up, updated_at = :now"
        " WHERE status = 'IN_PROGRESS' AND updated_at < :before AND retry_count >= :most",
        stale,
    )
    connection.execute(
        "UPDATE trust_tasks SET status = 'PENDING', retry_count = retry_count + 1, updated_at = :now"
        " WHERE status = 'IN_PROGRESS' AND updated_at < :before",
        stale,
    )


def newest(connection: sqlite3.Connection, limit: int) -> list[dict[str, Any]]:
    """The tasks of all trusts, newest first."""
    rows = connection.execute(f"SELECT {_SHOWN} FROM trust_tasks ORDER BY rowid DESC LIMIT ?", (limit,))  # noqa: S608 # columns of this module
    return [dict(row) for row in rows]
