"""What each subject adds to each number that can be told: the terms in which answers are audited."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flame_node_agent.cohort.buckets import OTHER, Group
from flame_node_agent.cohort.summary import Cell

Share = Callable[[Cell], int]
"""What each subject of a cell adds to a number."""


def rows(cell: Cell) -> int:
    """For the number of records."""
    return cell.rows


def one(_: Cell) -> int:
    """For the number of subjects."""
    return 1


def decade(cell: Cell) -> object:
    """Where a subject stands in the distribution of ages."""
    return cell.decade


def sex(cell: Cell) -> object:
    """Where a subject stands in the distribution of sexes."""
    return cell.sex


def memberships(groups: Sequence[Group], value: Callable[[Cell], object]) -> list[Share]:
    """The share of each bucket; whatever is in none of the others is in "Other"."""
    named = frozenset[object]().union(*(group.values for group in groups if group.label != OTHER))
    return [_rest(named, value) if group.label == OTHER else _member(group, value) for group in groups]


def _member(group: Group, value: Callable[[Cell], object]) -> Share:
    return lambda cell: int(value(cell) in group.values)


def _rest(named: frozenset[object], value: Callable[[Cell], object]) -> Share:
    return lambda cell: int(value(cell) not in named)


def values(column: int) -> Share:
    """For the rows with a value in a column."""
    return lambda cell: cell.values[column]


def gaps(column: int) -> Share:
    """For the rows without one."""
    return lambda cell: cell.rows - cell.values[column]


def holds(column: int) -> Share:
    """For the subjects with at least one value in a column."""
    return lambda cell: int(cell.values[column] > 0)


def lacks(column: int) -> Share:
    """For the subjects with at least one row without."""
    return lambda cell: int(cell.rows > cell.values[column])
