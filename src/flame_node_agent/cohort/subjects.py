"""Whose rows they are: the persons behind the rows of a cohort query (FLIP data-access-api).

A row belongs to the person that its column ``person_id`` names, if ``omop.person`` has such a person; a made-up id is
nobody. Without that column, it belongs to the person whose study its ``accession_id`` names in
``omop.image_occurrence``. A query with neither has no subjects that could be counted.

Ids may have any type. They are compared as whole numbers where they are some, by expressions that cannot fail: an error
that depends on a value would tell about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from flame_node_agent.cohort.engine import ONE_PROCESS, Column
from flame_node_agent.cohort.guard.order import follows_order

PERSON = "person_id"
ACCESSION = "accession_id"


class Naming(StrEnum):
    """By what a query names its subjects."""

    PERSON = PERSON
    ACCESSION = ACCESSION


@dataclass(frozen=True)
class CohortShape:
    """A query's columns as they are told: without repeated names, the first of each is kept."""

    query: str
    columns: tuple[str, ...]
    width: int
    """How many columns the query has in truth."""
    places: tuple[int, ...]
    """Which of them each told column is."""
    naming: Naming | None
    naming_place: int
    naming_integer: bool

    @property
    def labels(self) -> tuple[str, ...]:
        """What the columns are called in an answer."""
        return tuple(map(label, self.columns))

    @property
    def derived_table(self) -> str:
        """The query as a table ``cohort`` with columns ``c0``, ``c1``, …, whatever their names are.

        One that follows an order is planned by itself, with all columns and without parallel workers, so that it has
        the same rows whatever is asked of them: its answer is compared with others by another statement.
        """
        names = ", ".join(f"c{place}" for place in range(self.width))
        if not follows_order(self.query):
            return f"({self.query}\n) AS cohort({names})"
        return f"({ONE_PROCESS} WITH found AS MATERIALIZED ({self.query}\n) SELECT * FROM found) AS cohort({names})"

    @property
    def subject(self) -> str:
        """The person of a row of :attr:`source`: an id that may be nobody's, or NULL."""
        value = f"cohort.c{self.naming_place}"
        if self.naming is Naming.ACCESSION:
            return "study.person_id"
        return f"{value}::bigint" if self.naming_integer else _whole_number(f"{value}::text")

    @property
    def source(self) -> str:
        """What to select from, to have the columns of :attr:`derived_table` and :attr:`subject`."""
        if self.naming is not Naming.ACCESSION:
            return self.derived_table
        return (
            f"{self.derived_table} JOIN (SELECT accession_id::text AS accession, min(person_id)::bigint AS person_id"
            f" FROM omop.image_occurrence WHERE accession_id IS NOT NULL GROUP BY 1) AS study"
            f" ON study.accession = cohort.c{self.naming_place}::text"
        )


def label(column: str) -> str:
    """What a column is called in an answer: with a new line for each underscore (FLIP data-access-api)."""
    return column.replace("_", "\n")


def shape_of(query: str, columns: Sequence[Column]) -> CohortShape:
    """Find out what a query tells of whom."""
    first: dict[str, int] = {}
    for place, column in enumerate(columns):
        first.setdefault(column.name, place)
    naming = next((naming for naming in Naming if naming.value in first), None)
    naming_place = 0 if naming is None else first[naming]
    return CohortShape(
        query=query,
        columns=tuple(first),
        width=len(columns),
        places=tuple(first.values()),
        naming=naming,
        naming_place=naming_place,
        naming_integer=bool(columns) and columns[naming_place].integer,
    )


def _whole_number(text: str) -> str:
    """The number that a text is, or NULL. A CASE is not evaluated beyond the branch that applies."""
    # Up to 18 digits fit into a bigint. Numeric values may write 7 as 7.00.
    return (
        rf"CASE WHEN {text} ~ '^\s*-?[0-9]{{1,18}}(\.0*)?\s*$'"
        rf" THEN split_part({text}, '.', 1)::bigint END"
    )
