"""The numbers of a cohort, counted by the database in one statement that returns aggregates only.

Rows are counted by subject first, so that everything after works on one row for each person; then subjects who are
alike are put together, and what comes back has one element for each kind of subject. Shapes and labels are those of
FLIP's data-access-api, which pulls all rows and counts them in Python.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from flame_node_agent.cohort.buckets import OTHER
from flame_node_agent.cohort.engine import CohortEngine
from flame_node_agent.cohort.subjects import CohortShape, Naming, shape_of
from flame_node_agent.cohort.summary import NOBODY, Apiece, Cell, CohortSummary
from flame_node_agent.config.data_access import THRESHOLD_FLOOR
from flame_node_agent.errors import Refused

MAX_CELLS = 2000
"""Of more kinds of subjects than this, the rarer ones come back as sums only."""

OLDEST_DECADE = 15
"""Ages from 150 years on are one bucket: dates like 1800-01-01 stand for unknown ones."""

SAME_LABEL = "Two columns have the same label, as '_' in a name is told as a line break."


async def summarise(engine: CohortEngine, query: str, today: date | None = None) -> CohortSummary:
    """Count a cohort; ages are as of ``today`` (default: the current day in UTC).

    Raises:
        Refused: as the engine does; 400 when two columns would be told under one label.
    """
    shape = shape_of(query, await engine.describe(query))
    if len(set(shape.labels)) < len(shape.labels):
        # Nobody could tell their numbers apart, the comparison with later answers included.
        raise Refused(400, SAME_LABEL)
    if shape.naming is None:
        return NOBODY
    try:
        birthdays = _birthdays(today or datetime.now(UTC).date()) if shape.naming is Naming.PERSON else ()
        row = await engine.aggregate(statement(shape), birthdays)
    except Refused as error:
        if shape.naming is Naming.ACCESSION and error.status == 400:
            return NOBODY  # the query's own tables are there, so it is omop.image_occurrence that is not
        raise
    return _read(shape, row["summary"])


async def count_subjects(engine: CohortEngine, query: str) -> int | None:
    """How many persons a query is about; None when they cannot be counted."""
    shape = shape_of(query, await engine.describe(query))
    if shape.naming is None:
        return None
    row = await engine.aggregate(
        f"SELECT count(DISTINCT person.person_id) AS subjects FROM {shape.source}"
        f" JOIN omop.person AS person ON person.person_id = {shape.subject}"
    )
    return int(row["subjects"])


def statement(shape: CohortShape) -> str:
    """The statement that counts a cohort; of persons, ``$1`` and ``$2`` are the birthdays between decades."""
    counted = [f"v{place}" for place in range(len(shape.columns))]
    demographics = shape.naming is Naming.PERSON
    kind = ["decade", "sex", "n", *counted]
    return f"""
WITH subject AS (
    {by_subject(shape)}
), cell AS MATERIALIZED (
    SELECT {_DECADE if demographics else "NULL::integer"} AS decade,
           {_SEX if demographics else "NULL::text"} AS sex,
           {", ".join(kind[2:])}, count(*) AS subjects
    FROM subject JOIN omop.person AS person ON person.person_id = subject.person_id
    GROUP BY {", ".join(str(place) for place in range(1, len(kind) + 1))}
)
SELECT json_build_object(
    'subjects', sum(subjects), 'rows', sum(n * subjects),
    'values', ARRAY[{", ".join(f"sum({name} * subjects)" for name in counted)}],
    'holders', ARRAY[{", ".join(f"sum(subjects) FILTER (WHERE {name} > 0)" for name in counted)}],
    'lacking', ARRAY[{", ".join(f"sum(subjects) FILTER (WHERE {name} < n)" for name in counted)}],
    'rows_apiece', {_apiece("n")},
    'values_apiece', ARRAY[{", ".join(map(_apiece, counted))}],
    'gaps_apiece', ARRAY[{", ".join(_apiece(f"n - {name}") for name in counted)}],
    'decades', (SELECT json_agg(json_build_array(decade, subjects)) FROM
        (SELECT decade, sum(subjects) AS subjects FROM cell GROUP BY decade) AS bucket),
    'sexes', (SELECT json_agg(json_build_array(sex, subjects)) FROM
        (SELECT CASE WHEN known < {THRESHOLD_FLOOR} THEN '{OTHER}' ELSE sex END AS sex, sum(known) AS subjects
         FROM (SELECT sex, sum(subjects) AS known FROM cell GROUP BY sex) AS value GROUP BY 1) AS bucket),
    'kinds', count(*),
    'cells', (SELECT json_agg(json_build_array(decade, sex, n, ARRAY[{", ".join(counted)}], subjects)) FROM
        (SELECT * FROM cell ORDER BY subjects DESC LIMIT {MAX_CELLS}) AS largest)
)::text AS summary FROM cell"""


def by_subject(shape: CohortShape, columns: Sequence[int] | None = None) -> str:
    """A statement with one row for each id of a subject: ``n`` rows, and ``v0``, ``v1``, … with a value in each column.

    ``columns`` are positions of those that are wanted; by default all.
    """
    wanted = range(len(shape.columns)) if columns is None else columns
    values = "".join(f", count(cohort.c{shape.places[column]}) AS v{column}" for column in wanted)
    return (
        f"SELECT {shape.subject} AS person_id, count(*) AS n{values} FROM {shape.source}"
        f" WHERE {shape.subject} IS NOT NULL GROUP BY 1"
    )


def _apiece(share: str) -> str:
    """The least that a subject adds to a number who adds anything, and the most."""
    return f"ARRAY[min({share}) FILTER (WHERE {share} > 0), max({share})]"


_DECADE = """CASE WHEN person.birth_datetime IS NOT NULL THEN
               width_bucket(person.birth_datetime::date, $1::date[])
           ELSE width_bucket(person.year_of_birth * 10000 + coalesce(person.month_of_birth, 1) * 100
               + coalesce(person.day_of_birth, 1), $2::integer[]) END"""

_SEX = "nullif(btrim(person.gender_source_value), '')"


def _birthdays(today: date) -> tuple[list[date], list[int]]:
    """The first birthdays after which somebody has not yet completed each decade, earliest first; then tomorrow.

    Twice: as dates, and as numbers like 20251231 for persons of whom OMOP has the year only, or an impossible date.
    Somebody's decade is the number of these days that are still to come after the day of birth.
    """
    days = [_years_before(today, 10 * decade) + timedelta(days=1) for decade in range(OLDEST_DECADE, -1, -1)]
    return days, [day.year * 10_000 + day.month * 100 + day.day for day in days]


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # born on 29 February
        return day.replace(year=day.year - years, day=28)


def _decade(bucket: int | None) -> int | None:
    """The decade of an element of the answer; None for somebody without a birthday, or with one yet to come."""
    if bucket is None or bucket > OLDEST_DECADE:
        return None
    return OLDEST_DECADE - bucket


def _read(shape: CohortShape, text: str) -> CohortSummary:
    summary: dict[str, Any] = json.loads(text)
    demographics = shape.naming is Naming.PERSON
    cells = tuple(_cell(element, demographics) for element in summary["cells"] or ())
    decades: dict[int | None, int] = {}
    for bucket, subjects in (summary["decades"] or ()) if demographics else ():
        decade = _decade(bucket)
        decades[decade] = decades.get(decade, 0) + int(subjects)
    return CohortSummary(
        columns=shape.columns,
        subjects=int(summary["subjects"] or 0),
        rows=int(summary["rows"] or 0),
        values=tuple(int(count or 0) for count in summary["values"]),
        holders=tuple(int(count or 0) for count in summary["holders"]),
        lacking=tuple(int(count or 0) for count in summary["lacking"]),
        rows_apiece=_read_apiece(summary["rows_apiece"]),
        values_apiece=tuple(map(_read_apiece, summary["values_apiece"])),
        gaps_apiece=tuple(map(_read_apiece, summary["gaps_apiece"])),
        demographics=demographics,
        decades=decades,
        sexes={sex: int(subjects) for sex, subjects in (summary["sexes"] or ()) if demographics},
        cells=cells,
        complete=int(summary["kinds"]) <= MAX_CELLS,
    )


def _read_apiece(element: Sequence[Any]) -> Apiece:
    least, most = element
    return Apiece(int(least or 0), int(most or 0))


def _cell(element: Sequence[Any], demographics: bool) -> Cell:
    decade, sex, rows, values, subjects = element
    return Cell(
        decade=_decade(decade) if demographics else None,
        sex=sex if demographics else None,
        rows=int(rows),
        values=tuple(int(count) for count in values),
        subjects=int(subjects),
    )
