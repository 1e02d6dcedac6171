"""What trusts answer to cohort queries, and what the hub makes of all of it (FLIP hub, POST /cohort/results)."""

from __future__ import annotations

import sqlite3
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field
from starlette.exceptions import HTTPException

from flame_node_agent.devstack.hub.trusts import Trust

_SAFE_ERRORS = frozenset({"query_failed", "query_timeout", "internal_error"})
_REDACTED = "query_failed"


class Bucket(BaseModel):
    value: str
    count: int


class Group(BaseModel):
    name: str
    results: list[Bucket]


class CohortReport(BaseModel):
    """OmopCohortResults: one trust's answer to one query."""

    query_id: UUID
    trust_id: UUID
    created: str
    record_count: int
    data: Annotated[list[Group], BeforeValidator(lambda value: [] if value is None else value)] = Field(
        default_factory=list
    )
    error: str | None = None
    suppressed: bool = False


def save(connection: sqlite3.Connection, trust: Trust, report: CohortReport) -> None:
    """Take an answer, in place of an earlier one; 403 in another trust's name, 404 for a query nobody asked."""
    if str(report.trust_id) != trust.id:
        raise HTTPException(403, f"Trust '{trust.name}' is not authorised to report for another trust")
    if not _is_known(connection, str(report.query_id)):
        raise HTTPException(404, f"Query {report.query_id} not found")
    connection.execute(
        "INSERT INTO cohort_results (query_id, trust_id, data) VALUES (?, ?, ?)"
        " ON CONFLICT (query_id, trust_id) DO UPDATE SET data = excluded.data, reports = reports + 1",
        (str(report.query_id), trust.id, report.model_dump_json()),
    )


def aggregate(connection: sqlite3.Connection, query_id: str) -> dict[str, Any] | None:
    """All answers to a query as one; None while there is none, 404 for a query nobody asked.

    ``reports`` is how often each trust has answered, which a real hub does not tell.
    """
    if not _is_known(connection, query_id):
        raise HTTPException(404, f"Query {query_id} not found")
    rows = connection.execute(
        "SELECT t.id, t.name, r.data, r.reports FROM cohort_results r JOIN trusts t ON t.id = r.trust_id"
        " WHERE r.query_id = ? ORDER BY t.rowid",
        (query_id,),
    ).fetchall()
    if not rows:
        return None
    answers = [(Trust(row["id"], row["name"]), CohortReport.model_validate_json(row["data"])) for row in rows]
    good = [(trust, answer) for trust, answer in answers if answer.error is None]
    return {
        "record_count": sum(answer.record_count for _, answer in good),
        "trusts_results": _by_group(good),
        "trust_record_counts": {trust.id: answer.record_count for trust, answer in good},
        "trust_errors": {
            trust.id: redact(answer.error) for trust, answer in answers if answer.error is not None
        },
        "trust_suppressed": [trust.id for trust, answer in good if answer.suppressed],
        "reports": {row["id"]: row["reports"] for row in rows},
    }


def redact(error: str) -> str:
    """Of an error only what can tell nothing about patients: the code behind the first colon, if it is one."""
    code = error.partition(":")[2].strip() or error.strip()
    return code if code in _SAFE_ERRORS else _REDACTED


def _by_group(answers: list[tuple[Trust, CohortReport]]) -> list[dict[str, Any]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for trust, answer in answers:
        for group in answer.data:
            data = [bucket.model_dump() for bucket in group.results]
            groups.setdefault(group.name, []).append({"data": data, **trust.identity()})
    return [{"name": name, "results": results} for name, results in groups.items()]


def _is_known(connection: sqlite3.Connection, query_id: str) -> bool:
    found = connection.execute(
        "SELECT 1 FROM trust_tasks WHERE query_id = ? AND task_type = 'cohort_query' LIMIT 1", (query_id,)
    )
    return found.fetchone() is not None
