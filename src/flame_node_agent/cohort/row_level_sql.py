"""The statements of row-level answers, around a query that has passed the guard.

Each names the query once, so that all parts of an answer come from the same rows, and takes its columns by their
place, so that two of the same name do no harm. Ids are compared as text: a query may give a person's id in any type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

PERSON = "person_id"
ACCESSION = "accession_id"

SUBJECTS = 0
"""The part of a frame that tells whom each row is about; parts from 1 on are its columns."""

_IMAGED = (
    "(SELECT i.accession_id::text AS accession_id, min(p.person_id)::text AS person_id"
    " FROM omop.image_occurrence AS i JOIN omop.person AS p ON p.person_id = i.person_id GROUP BY 1)"
)
"""Imaging studies of people who exist; one that is claimed for several counts for one of them."""


@dataclass(frozen=True)
class Shape:
    """The columns of a query; of two with the same name the first counts."""

    width: int
    names: tuple[str, ...]
    places: tuple[int, ...]
    """Where each of the names stands in the query's own columns."""

    @classmethod
    def of(cls, columns: Sequence[str]) -> Self:
        """Tell the shape by the names of a query's own columns."""
        first: dict[str, int] = {}
        for place, name in enumerate(columns):
            first.setdefault(name, place)
        return cls(len(columns), tuple(first), tuple(first.values()))

    def column(self, name: str) -> str | None:
        """What a column is called inside the statements; None when the query has no such column."""
        return f"c{self.places[self.names.index(name)]}" if name in self.names else None

    @property
    def countable(self) -> bool:
        """Whether the query shows whom it is about."""
        return PERSON in self.names or ACCESSION in self.names


def frame(sql: str, shape: Shape) -> str:
    """All values of a query, column by column, as rows (part, number, value, accession, subject).

    Part 0 tells of each row, by its number from 1 on, the ids it shows and whose row it is; each later part gives the
    values of one column as JSON text, in the order of those numbers. What JSON has no number for is null.
    """
    person, accession = shape.column(PERSON), shape.column(ACCESSION)
    ids = (
        f"SELECT {SUBJECTS}, q.n, {_as_text(person)}, {_as_text(accession)}, s.person_id"
        f" FROM cohort AS q LEFT JOIN {_subjects(person, accession)}"
    )
    columns = [
        f"SELECT {part}, q.n, {_as_json(f'q.c{place}')}, NULL, NULL FROM cohort AS q"
        for part, place in enumerate(shape.places, start=1)
    ]
    number = "pg_catalog.row_number() OVER () AS n, "
    return f"{_cohort(sql, shape, number)} {' UNION ALL '.join((ids, *columns))}"


def members(sql: str, shape: Shape) -> str:
    """Whom a query covers, as rows (what, value): bytes and subjects once each, then the distinct ids."""
    person, accession = shape.column(PERSON), shape.column(ACCESSION)
    size = (
        "SELECT 'bytes', coalesce(pg_catalog.sum(pg_catalog.octet_length(q::text)), 0)::text FROM cohort AS q"
    )
    subjects = (
        "SELECT 'subjects', pg_catalog.count(DISTINCT s.person_id)::text"
        f" FROM cohort AS q LEFT JOIN {_subjects(person, accession)}"
    )
    ids = [
        f"SELECT DISTINCT '{kind}', q.{column}::text FROM cohort AS q WHERE q.{column} IS NOT NULL"
        for kind, column in (("person", person), ("accession", accession))
        if column is not None
    ]
    return f"{_cohort(sql, shape)} {' UNION ALL '.join((size, subjects, *ids))}"


def accessions(sql: str, shape: Shape) -> str:
    """The imaging studies of a query, as rows (accession id, person id); what is no study is left out."""
    column = shape.column(ACCESSION)
    return (
        f"{_cohort(sql, shape)} SELECT m.accession_id, m.person_id FROM cohort AS q"
        f" JOIN {_IMAGED} AS m ON m.accession_id = q.{column}::text"
    )


KNOWN_ACCESSIONS = (
    "SELECT i.accession_id::text, min(p.person_id)::text FROM omop.image_occurrence AS i"
    " JOIN omop.person AS p ON p.person_id = i.person_id"
    " WHERE i.accession_id::text = ANY($1) GROUP BY 1 ORDER BY 1"
)
"""Those of some ids (the one parameter) that are imaging studies, as rows (accession id, person id)."""


def _cohort(sql: str, shape: Shape, also: str = "") -> str:
    aliases = ", ".join(f"c{place}" for place in range(shape.width))
    # Materialised: the query runs once, and every part reads its rows in the same order.
    return f"WITH cohort AS MATERIALIZED (SELECT {also}a.* FROM (\n{sql}\n) AS a ({aliases}))"


def _subjects(person: str | None, accession: str | None) -> str:
    """Whose row it is: a person who exists, or else the one whose imaging study it is."""
    if person is not None:
        people = "(SELECT p.person_id::text AS person_id FROM omop.person AS p)"
        return f"{people} AS s ON s.person_id = q.{person}::text"
    if accession is not None:
        return f"{_IMAGED} AS s ON s.accession_id = q.{accession}::text"
    return "(SELECT NULL::text AS person_id) AS s ON false"


def _as_text(column: str | None) -> str:
    return f"q.{column}::text" if column else "NULL::text"


def _as_json(value: str) -> str:
    no_number = (
        f"pg_catalog.pg_typeof({value}) IN ('real'::regtype, 'double precision'::regtype, 'numeric'::regtype)"
        f" AND {value}::text IN ('NaN', 'Infinity', '-Infinity')"
    )
    return f"CASE WHEN {no_number} THEN NULL ELSE pg_catalog.to_json({value})::text END"
