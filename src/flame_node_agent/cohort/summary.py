"""What the database says of a cohort: aggregates only, and exact. Nothing in here may leave as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Cell:
    """Subjects who are alike in everything that an answer can tell of them."""

    decade: int | None
    """Age in whole decades: 2 is 20 to 29 years. None when it is not known, or not asked for."""
    sex: str | None
    rows: int
    """How many rows of the cohort each of them has."""
    values: tuple[int, ...]
    """In how many of these rows each column has a value."""
    subjects: int
    """How many they are."""


@dataclass(frozen=True)
class Apiece:
    """How much each subject adds to a number, of those who add anything; 0 when nobody does."""

    least: int
    most: int


ONE = Apiece(1, 1)
"""For numbers of subjects."""


@dataclass(frozen=True)
class CohortSummary:
    """A cohort in numbers. Only rows of subjects count: a row without one is protected by no threshold."""

    columns: tuple[str, ...]
    subjects: int
    rows: int
    values: tuple[int, ...]
    """Rows with a value, for each column."""
    holders: tuple[int, ...]
    """Subjects with at least one value, for each column."""
    lacking: tuple[int, ...]
    """Subjects with at least one row without a value, for each column."""
    rows_apiece: Apiece
    values_apiece: tuple[Apiece, ...]
    """Rows with a value, for each column."""
    gaps_apiece: tuple[Apiece, ...]
    """Rows without one, for each column."""
    demographics: bool
    """Whether ages and sexes are told: the query names its persons by ``person_id``."""
    decades: Mapping[int | None, int]
    """Subjects by decade of age."""
    sexes: Mapping[str | None, int]
    """Subjects by ``gender_source_value``."""
    cells: tuple[Cell, ...]
    """The largest groups of subjects who are alike, largest first."""
    complete: bool
    """Whether ``cells`` are all there are."""

    @cached_property
    def nullable(self) -> tuple[int, ...]:
        """Positions of the columns that have a value in some rows and none in others."""
        return tuple(place for place, count in enumerate(self.values) if 0 < count < self.rows)


def summary_of(columns: tuple[str, ...], cells: tuple[Cell, ...], *, demographics: bool) -> CohortSummary:
    """Add up a summary from all its cells."""
    decades: Counter[int | None] = Counter()
    sexes: Counter[str | None] = Counter()
    for cell in cells:
        decades[cell.decade] += cell.subjects
        sexes[cell.sex] += cell.subjects
    places = range(len(columns))
    return CohortSummary(
        columns=columns,
        subjects=sum(cell.subjects for cell in cells),
        rows=sum(cell.rows * cell.subjects for cell in cells),
        values=tuple(sum(cell.values[place] * cell.subjects for cell in cells) for place in places),
        holders=tuple(sum(cell.subjects for cell in cells if cell.values[place]) for place in places),
        lacking=tuple(
            sum(cell.subjects for cell in cells if cell.rows > cell.values[place]) for place in places
        ),
        rows_apiece=_apiece([cell.rows for cell in cells]),
        values_apiece=tuple(_apiece([cell.values[place] for cell in cells]) for place in places),
        gaps_apiece=tuple(_apiece([cell.rows - cell.values[place] for cell in cells]) for place in places),
        demographics=demographics,
        decades=decades if demographics else {},
        sexes=sexes if demographics else {},
        cells=tuple(sorted(cells, key=lambda cell: -cell.subjects)),
        complete=True,
    )


def _apiece(shares: Sequence[int]) -> Apiece:
    return Apiece(min(filter(None, shares), default=0), max(shares, default=0))


NOBODY = summary_of((), (), demographics=False)
"""The summary of a cohort without any subject, or of one whose subjects cannot be counted."""
