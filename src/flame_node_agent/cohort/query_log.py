"""What each project was told of cohorts: the memory against differencing.

Two answers that are each harmless can together tell about the few subjects in which their cohorts differ (OpenSAFELY,
NHS England: "secondary disclosure by differencing"). The log keeps every released answer with its statement, so that a
later one can be compared with it in the database, and so that the same question gets the same answer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg.rows import DictRow

from flame_node_agent.cohort.answer import CohortAnswer
from flame_node_agent.cohort.disclosure import Release
from flame_node_agent.stores.database import Connection, Database
from flame_node_agent.wire.data_access import Statistic


@dataclass(frozen=True)
class Question:
    """Who asks what, under which rules, and how many subjects it is about today."""

    project_id: UUID
    statement: str
    statement_hash: str
    subjects: int
    threshold: int
    rounding: int


@dataclass(frozen=True)
class Earlier:
    """A released answer."""

    id: int
    question: Question
    release: Release


class QueryLog:
    """Released answers of all projects, in the database of the node's own state."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def close_to(
        self, question: Question, releases: Sequence[Release], *, after: int
    ) -> tuple[list[Earlier], int]:
        """Answers of the project newer than row ``after`` that have to be compared, and the project's last row.

        These are the answers to the same statement; and those with any size that is nearer to one of ``releases`` than
        the threshold, or all if there are more combinations than sizes on either side.
        """
        rows = await self._database.execute(
            # One statement, so that no row comes between the last one and those that are looked at; and of a project
            # that was told much, only what is close is read.
            "WITH mine AS (SELECT * FROM cohort_query_log WHERE project_id = %(project)s AND id > %(after)s)"
            " SELECT mine.*, newest.last FROM (SELECT max(id) AS last FROM mine) AS newest LEFT JOIN mine"
            " ON statement_hash = %(hash)s OR %(some)s AND (varied OR %(varied)s OR EXISTS"
            " (SELECT 1 FROM unnest(sizes) AS known CROSS JOIN unnest(%(sizes)s::bigint[]) AS size"
            " WHERE abs(known - size) < greatest(threshold, %(threshold)s))) ORDER BY id",
            {
                "hash": question.statement_hash,
                "some": bool(releases),
                "sizes": list({size for release in releases for size in release.sizes}),
                "varied": any(release.varied for release in releases),
                "threshold": question.threshold,
                "project": question.project_id,
                "after": after,
            },
        )
        last = rows[0]["last"]
        return [_earlier(row) for row in rows if row["id"] is not None], after if last is None else int(last)

    async def record(self, question: Question, release: Release, *, after: int) -> bool:
        """Note an answer that is about to be given; False when the project got another one since row ``after``."""

        async def write(connection: Connection) -> bool:
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('cohort_query_log ' || %s, 0))",
                [str(question.project_id)],
            )
            cursor = await connection.execute(
                "SELECT 1 FROM cohort_query_log WHERE project_id = %s AND id > %s LIMIT 1",
                [question.project_id, after],
            )
            if await cursor.fetchone():
                return False
            await connection.execute(_INSERT.encode(), _row(question, release))
            return True

        return await self._database.run(write)


_INSERT = (
    "INSERT INTO cohort_query_log (project_id, statement_hash, statement, subjects, sizes, varied, gap_columns,"
    " distributed, threshold, rounding, answer) VALUES (%(project_id)s, %(statement_hash)s, %(statement)s,"
    " %(subjects)s, %(sizes)s, %(varied)s, %(gap_columns)s, %(distributed)s, %(threshold)s, %(rounding)s, %(answer)s)"
)


def _row(question: Question, release: Release) -> dict[str, object]:
    answer = {
        "record_count": release.answer.record_count,
        "data": [statistic.model_dump() for statistic in release.answer.data],
    }
    return {
        "project_id": question.project_id,
        "statement_hash": question.statement_hash,
        "statement": question.statement,
        "subjects": question.subjects,
        "sizes": list(release.sizes),
        "varied": release.varied,
        "gap_columns": list(release.columns),
        "distributed": release.distributed,
        "threshold": question.threshold,
        "rounding": question.rounding,
        "answer": json.dumps(answer),
    }


def _earlier(row: DictRow) -> Earlier:
    question = Question(**{name: row[name] for name in Question.__dataclass_fields__})
    data = tuple(Statistic.model_validate(statistic) for statistic in row["answer"]["data"])
    release = Release(
        answer=CohortAnswer(row["answer"]["record_count"], data, suppressed=False),
        columns=tuple(row["gap_columns"]),
        sizes=tuple(row["sizes"]),
        varied=row["varied"],
        distributed=row["distributed"],
    )
    return Earlier(row["id"], question, release)
