"""Whether two answers together betray the few subjects in which their cohorts differ.

Both statements are counted by subject and joined in the database, which returns how many subjects there are of each
kind; then both answers are audited as if they were one (:mod:`.attribution`). So it is noticed as well when a cohort is
the same but for some rows, or for the values of one column, or when each row is there twice.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from flame_node_agent.cohort.attribution import Effort, Vector, stands_for_many
from flame_node_agent.cohort.disclosure import COUNTS, NULLS, Release
from flame_node_agent.cohort.engine import CohortEngine, Column
from flame_node_agent.cohort.statistics import MAX_CELLS, by_subject
from flame_node_agent.cohort.subjects import CohortShape, shape_of
from flame_node_agent.errors import Refused

Share = tuple[str, int]
"""What a subject adds to a number: ``here`` (one), ``n`` (rows) or ``v<column>``, in cohort 0 (earlier) or 1."""


@dataclass(frozen=True)
class Asked:
    """A statement and the answer that was, or may be, given to it."""

    statement: str
    release: Release
    subjects: int
    """How many it was about when it was counted."""

    @property
    def labels(self) -> list[str]:
        """What the columns with gaps whose numbers are told are called in the answer."""
        results = {statistic.name: statistic.results for statistic in self.release.answer.data}
        return [gaps.value for gaps in results[NULLS]]

    def shares(self, number: int) -> list[Share]:
        """What the numbers of the answer are made of."""
        here = [("here", number)] if self.release.distributed else []
        return [*here, ("n", number), *((f"v{column}", number) for column in self.release.columns)]

    def told(self, number: int) -> dict[Share, int]:
        """Those numbers of the answer that are sums of one share."""
        answer = self.release.answer
        results = {statistic.name: statistic.results for statistic in answer.data}
        counts = {bucket.value: bucket.count for bucket in results[COUNTS]}
        values = [counts[label] for label in self.labels]
        columns = zip(self.release.columns, values, strict=True)
        return {("n", number): answer.record_count} | {
            (f"v{column}", number): told for column, told in columns
        }


@dataclass(frozen=True)
class Comparison:
    """Subjects of either cohort, by how many rows and values they have in both."""

    shares: tuple[Share, ...]
    kinds: dict[Vector, int]
    complete: bool
    fingerprints: tuple[int, ...]
    """Of each share: equal for two that are the same for every subject, and for others by a chance of 1 in 10^19."""
    earlier_subjects: int
    later_subjects: int
    subjects_differing: int
    """How many subjects are in one of the cohorts only."""

    def harmless(self, earlier: Asked, later: Asked, threshold: int) -> bool:
        """Whether ``later`` may be told to who was told ``earlier``."""
        # The data may have changed since either was counted: what cannot be compared any more has to be made up for.
        drift = abs(self.earlier_subjects - earlier.subjects) + abs(self.later_subjects - later.subjects)
        if drift and not self.subjects_differing:
            return drift >= threshold
        if self._changed(earlier, later):
            return False
        wanted = [*earlier.shares(0), *later.shares(1)]
        places = [self.shares.index(share) for share in wanted]
        distinct = list({self.fingerprints[place]: place for place in places}.values())
        vectors: Counter[Vector] = Counter()
        for kind, subjects in self.kinds.items():
            vectors[tuple(kind[place] for place in distinct)] += subjects
        full_rank = None if self.complete else len(distinct)
        return stands_for_many(vectors, threshold + drift, Effort(), full_rank=full_rank)

    def _changed(self, earlier: Asked, later: Asked) -> bool:
        """Whether numbers differ that are the same for every subject today: by what has changed, maybe for one."""
        before: dict[int, int] = {}
        for share, number in earlier.told(0).items():
            before[self.fingerprints[self.shares.index(share)]] = number
        return any(
            before.get(self.fingerprints[self.shares.index(share)], number) != number
            for share, number in later.told(1).items()
        )


async def compare(engine: CohortEngine, earlier: Asked, later: Asked) -> Comparison:
    """Compare two cohorts as they are today.

    Raises:
        Refused: as the engine does; 500 when a statement's columns are not any more those that were told.
    """
    shapes = [_shape_as_told(asked, await engine.describe(asked.statement)) for asked in (earlier, later)]
    # Whether a share is told depends on the answer, and of the later answer less may be told in the end.
    shares = [
        (name, number)
        for number, asked in enumerate((earlier, later))
        for name in ("here", "n", *(f"v{column}" for column in asked.release.columns))
    ]
    row = await engine.aggregate(_statement(shapes, (earlier, later), shares), [secrets.randbits(62)])
    told = json.loads(row["comparison"])
    return Comparison(
        shares=tuple(shares),
        kinds={tuple(kind[:-1]): kind[-1] for kind in told["kinds"] or ()},
        complete=told["number"] <= MAX_CELLS,
        fingerprints=tuple(int(fingerprint or 0) for fingerprint in told["fingerprints"]),
        earlier_subjects=int(told["earlier"] or 0),
        later_subjects=int(told["later"] or 0),
        subjects_differing=int(told["apart"] or 0),
    )


def _shape_as_told(asked: Asked, columns: Sequence[Column]) -> CohortShape:
    """The shape of a statement, if it still names its subjects, and its columns with gaps are where they were.

    The columns of ``SELECT *`` change with the table's.
    """
    shape = shape_of(asked.statement, columns)
    labels = shape.labels
    there = [labels[place] for place in asked.release.columns if place < len(labels)]
    if shape.naming is None or there != asked.labels or len(set(labels)) < len(labels):
        raise Refused(500, "The columns of the statement are not those that were told.")
    return shape


def _statement(shapes: Sequence[CohortShape], asked: Sequence[Asked], shares: Sequence[Share]) -> str:
    names = [f"{name}_{number}" for name, number in shares]
    # A subject who is not in a cohort adds nothing to its numbers.
    values = [
        f"(CASE WHEN cohort_{number}.n IS NULL THEN 0 ELSE {'1' if name == 'here' else f'cohort_{number}.{name}'} END)"
        f" AS {name}_{number}"
        for name, number in shares
    ]
    fingerprints = ", ".join(f"sum({name} * salt)::text" for name in names)
    return f"""
WITH cohort_0 AS ({by_subject(shapes[0], asked[0].release.columns)}),
cohort_1 AS ({by_subject(shapes[1], asked[1].release.columns)}),
kind AS MATERIALIZED (
    SELECT {", ".join(values)}, count(*) AS subjects, sum(hashint8extended(person_id::bigint, $1)) AS salt
    FROM cohort_0 FULL JOIN cohort_1 USING (person_id) JOIN omop.person AS person USING (person_id)
    GROUP BY {", ".join(str(place) for place in range(1, len(names) + 1))}
)
SELECT json_build_object(
    'number', count(*),
    'earlier', sum(subjects) FILTER (WHERE here_0 = 1),
    'later', sum(subjects) FILTER (WHERE here_1 = 1),
    'apart', sum(subjects) FILTER (WHERE here_0 <> here_1),
    'fingerprints', ARRAY[{fingerprints}],
    'kinds', (SELECT json_agg(ARRAY[{", ".join(names)}, subjects]) FROM
        (SELECT * FROM kind ORDER BY subjects DESC LIMIT {MAX_CELLS}) AS largest)
)::text AS comparison FROM kind"""
