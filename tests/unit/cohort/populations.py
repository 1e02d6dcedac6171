"""Little populations, to be told about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from flame_node_agent.cohort.disclosure import Release
from flame_node_agent.cohort.summary import Cell, CohortSummary, summary_of


@dataclass(frozen=True)
class Person:
    """One person, with the rows a cohort has of them: for each row, which columns hold a value."""

    decade: int | None
    sex: str | None
    rows: tuple[tuple[bool, ...], ...]

    @property
    def values(self) -> tuple[int, ...]:
        return tuple(map(sum, zip(*self.rows, strict=True)))


def summary(
    columns: tuple[str, ...], people: Iterable[Person], *, demographics: bool = True
) -> CohortSummary:
    alike = Counter((person.decade, person.sex, len(person.rows), person.values) for person in people)
    cells = tuple(Cell(*kind, subjects) for kind, subjects in alike.items())
    return summary_of(columns, cells, demographics=demographics)


def people(number: int, *, decade: int | None = 4, sex: str | None = "F", values: str = "1") -> list[Person]:
    """``number`` persons alike with one row each; ``values`` has a 1 for each column that holds a value."""
    return [Person(decade, sex, (tuple(sign == "1" for sign in values),)) for _ in range(number)]


def told(release: Release | None) -> dict[str, dict[str, int]]:
    """The groups of an answer, by name and label."""
    assert release is not None
    return {
        statistic.name: {bucket.value: bucket.count for bucket in statistic.results}
        for statistic in release.answer.data
    }
