"""The statements of row-level answers, around a query that has passed the guard.

Each names the query once, so that all parts of an answer come from the same rows. Only rows of people who exist are in
them, by the rule of :mod:`.subjects`: a row of nobody is protected by no threshold.
"""

from __future__ import annotations

from flame_node_agent.cohort.subjects import ACCESSION, PERSON, CohortShape

SUBJECTS = 0
"""The part of a frame that tells whom each row is about; parts from 1 on are its columns."""

MAX_VALUE_BYTES = 16_384
"""Of one value as JSON. A batch of rows is as large as its values, and has to fit into memory."""

TOO_LONG = "long"
"""What stands in the place of the subject where a value is longer, and is not there."""

_ID_CHARACTERS = 1000
"""By how many ids are told apart; no study and no person has longer ones."""

KNOWN_ACCESSIONS = (
    "SELECT i.accession_id::text, min(p.person_id)::text FROM omop.image_occurrence AS i"
    " JOIN omop.person AS p ON p.person_id = i.person_id"
    " WHERE i.accession_id::text = ANY($1) GROUP BY 1 ORDER BY 1"
)
"""Those of some ids (the one parameter) that are imaging studies, as rows (accession id, person id)."""


def frame(shape: CohortShape) -> str:
    """All values of a query, column by column, as rows (part, number, value, accession, subject).

    Part 0 tells of each row, by its number from 1 on, the ids it shows and whose row it is; each later part gives the
    values of one column as JSON text, in the order of those numbers. What JSON has no number for is null; in place of
    a value of more than :data:`MAX_VALUE_BYTES` there is :data:`TOO_LONG` as the subject.
    """
    ids = f"SELECT {SUBJECTS}, n, {_as_text(shape, PERSON)}, {_as_text(shape, ACCESSION)}, subject::text FROM found"
    columns = [
        f"SELECT {part}, n, CASE WHEN octet_length(value) <= {MAX_VALUE_BYTES} THEN value END, NULL,"
        f" CASE WHEN octet_length(value) > {MAX_VALUE_BYTES} THEN '{TOO_LONG}' END"
        # OFFSET 0: otherwise PostgreSQL would make each value anew wherever its name stands.
        f" FROM (SELECT n, {_as_json(f'c{place}')} AS value FROM found OFFSET 0) AS made"
        for part, place in enumerate(shape.places, start=1)
    ]
    return f"{_found(shape)} {' UNION ALL '.join((ids, *columns))}"


def members(shape: CohortShape) -> str:
    """Whom a query covers, as rows (what, value): bytes and subjects once each, then the distinct ids."""
    parts = [
        "SELECT 'bytes', coalesce(sum(octet_length(found::text)), 0)::text FROM found",
        "SELECT 'subjects', count(DISTINCT subject)::text FROM found",
    ]
    parts += [
        f"SELECT DISTINCT '{kind}', {_as_text(shape, name)} FROM found WHERE {_column(shape, name)} IS NOT NULL"
        for kind, name in (("person", PERSON), ("accession", ACCESSION))
        if name in shape.columns
    ]
    return f"{_found(shape)} {' UNION ALL '.join(parts)}"


def accessions(shape: CohortShape) -> str:
    """The imaging studies of a query, as rows (accession id, person id); what is no study is left out."""
    return (
        f"{_found(shape)} SELECT known.accession, found.subject::text FROM found"
        " JOIN (SELECT DISTINCT accession_id::text AS accession FROM omop.image_occurrence) AS known"
        f" ON known.accession = found.{_column(shape, ACCESSION)}::text"
    )


def _found(shape: CohortShape) -> str:
    # Materialised: the query runs once, and every part reads its rows in the same order.
    return (
        "WITH found AS MATERIALIZED ("
        "SELECT row_number() OVER () AS n, person.person_id AS subject, cohort.*"
        f" FROM {shape.source} JOIN omop.person AS person ON person.person_id = {shape.subject})"
    )


def _column(shape: CohortShape, name: str) -> str | None:
    return f"c{shape.places[shape.columns.index(name)]}" if name in shape.columns else None


def _as_text(shape: CohortShape, name: str) -> str:
    column = _column(shape, name)
    return f"left({column}::text, {_ID_CHARACTERS})" if column else "NULL::text"


def _as_json(value: str) -> str:
    no_number = (
        f"pg_typeof({value}) IN ('real'::regtype, 'double precision'::regtype, 'numeric'::regtype)"
        f" AND {value}::text IN ('NaN', 'Infinity', '-Infinity')"
    )
    return f"CASE WHEN {no_number} THEN NULL ELSE to_json({value})::text END"
