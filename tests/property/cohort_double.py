"""Cohorts and the log of what was told of them, in memory: for properties that need thousands of questions.

A statement is a JSON list of rows: a person's number, then for each column whether it holds a value.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from uuid import UUID

from flame_node_agent.cohort import release
from flame_node_agent.cohort.answer import CohortAnswer
from flame_node_agent.cohort.cache import SummaryCache
from flame_node_agent.cohort.differencing import Asked, Comparison
from flame_node_agent.cohort.disclosure import Release
from flame_node_agent.cohort.guard import GuardedQuery
from flame_node_agent.cohort.query_log import Earlier, Question
from flame_node_agent.cohort.summary import CohortSummary
from tests.property.cohort_populations import COLUMNS
from tests.unit.cohort.populations import Person, summary

Rows = Sequence[tuple[int, ...]]
PROJECT = UUID(int=1)


def by_person(statement: str) -> dict[int, dict[str, int]]:
    """For each person, how many rows, and how many of these have a value in each column."""
    found: dict[int, dict[str, int]] = {}
    for person, *values in json.loads(statement):
        own = found.setdefault(
            person, {"here": 1, "n": 0, **{f"v{place}": 0 for place in range(len(values))}}
        )
        own["n"] += 1
        for place, value in enumerate(values):
            own[f"v{place}"] += value
    return found


async def summarise(_engine: object, statement: str) -> CohortSummary:
    """In the place of :func:`flame_node_agent.cohort.statistics.summarise`."""
    rows: dict[int, list[tuple[bool, ...]]] = {}
    for person, *values in json.loads(statement):
        rows.setdefault(person, []).append(tuple(map(bool, values)))
    people = [Person(person % 3, "FM"[person % 2], tuple(own)) for person, own in rows.items()]
    return summary(COLUMNS, people)


async def compare(_engine: object, earlier: Asked, later: Asked) -> Comparison:
    """In the place of :func:`flame_node_agent.cohort.differencing.compare`."""
    both = [by_person(earlier.statement), by_person(later.statement)]
    shares = tuple(
        (name, number)
        for number, asked in enumerate((earlier, later))
        for name in ("here", "n", *(f"v{column}" for column in asked.release.columns))
    )
    kinds = Counter(
        tuple(both[number].get(person, {}).get(name, 0) for name, number in shares)
        for person in {*both[0], *both[1]}
    )
    salts = {kind: hash(("salt", kind)) for kind in kinds}
    return Comparison(
        shares=shares,
        kinds=dict(kinds),
        complete=True,
        fingerprints=tuple(sum(kind[place] * salts[kind] for kind in kinds) for place in range(len(shares))),
        earlier_subjects=len(both[0]),
        later_subjects=len(both[1]),
        subjects_differing=len(both[0].keys() ^ both[1].keys()),
    )


class LogInMemory:
    """In the place of :class:`flame_node_agent.cohort.query_log.QueryLog`, for one project."""

    def __init__(self) -> None:
        self._rows: list[Earlier] = []

    async def close_to(
        self, question: Question, releases: Sequence[Release], *, after: int
    ) -> tuple[list[Earlier], int]:
        def close(row: Earlier) -> bool:
            threshold = max(row.question.threshold, question.threshold)
            return row.question.statement_hash == question.statement_hash or any(
                told.varied
                or row.release.varied
                or any(abs(one - other) < threshold for one in row.release.sizes for other in told.sizes)
                for told in releases
            )

        return [row for row in self._rows[after:] if close(row)], len(self._rows)

    async def record(self, question: Question, told: Release, *, after: int) -> bool:
        if len(self._rows) > after:
            return False
        self._rows.append(Earlier(len(self._rows) + 1, question, told))
        return True


class TrustInMemory:
    """A trust that answers one project."""

    def __init__(self, *, rounding: int = 0) -> None:
        cache = SummaryCache(ttl_days=60, max_entries=64, max_rows=50_000)
        engine: Any = None
        query_log: Any = LogInMemory()
        self._statistics = release.CohortStatistics(
            engine, query_log, cache, rounding=rounding, comparing_seconds=600
        )

    async def ask(self, rows: Rows, threshold: int) -> CohortAnswer:
        return await self._statistics.answer(PROJECT, GuardedQuery(json.dumps(rows), "0" * 64), threshold)


@contextmanager
def counting_in_memory() -> Iterator[None]:
    """While this lasts, nothing is asked of a database."""
    with patch.object(release, "summarise", summarise), patch.object(release, "compare", compare):
        yield
