"""Disclosure control: what may be told of a cohort. Pure; every number that leaves comes out of here.

The rules, where each comes from, and what they do not prevent: docs/explanation/disclosure-control.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from flame_node_agent.cohort.answer import CohortAnswer
from flame_node_agent.cohort.attribution import Effort, Vector, stands_for_many
from flame_node_agent.cohort.buckets import OTHER, Group, coarser, decade_buckets, grouped, sex_buckets
from flame_node_agent.cohort.rounding import Limits, determined, limits, rounded
from flame_node_agent.cohort.summary import Cell, CohortSummary
from flame_node_agent.config.data_access import THRESHOLD_FLOOR
from flame_node_agent.wire.data_access import Bucket, Statistic

MAX_GAP_COLUMNS = 40
"""Of more columns with gaps no numbers are told: each of them is a cohort that later ones are compared with."""

COUNTS = "Counts"
NULLS = "Nulls"
"""One entry for each column, in the order of the columns."""

Share = Callable[[Cell], int]
"""What each subject of a cell adds to a number."""


@dataclass(frozen=True)
class Selection:
    """Which parts of a summary are told: buckets of both distributions, and columns that have gaps."""

    ages: tuple[Group, ...] = ()
    sexes: tuple[Group, ...] = ()
    columns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Release:
    """An answer, and what the query log has to know of it."""

    answer: CohortAnswer
    columns: tuple[int, ...]
    """Positions of the columns with gaps whose numbers are told: each of them is a cohort of its own."""
    sizes: tuple[int, ...]
    """How many subjects the cohort has, and each of these columns with a value and without."""
    distributed: bool
    """Whether a distribution is told, from which the number of subjects follows."""


class DisclosureControl:
    """The rules for one answer."""

    def __init__(self, threshold: int, rounding: int = 0) -> None:
        """``threshold`` is in subjects; below the floor of the trust's settings it counts as the floor."""
        self.threshold = max(threshold, THRESHOLD_FLOOR)
        self.rounding = rounding

    def release(self, summary: CohortSummary, *, gaps: bool = True) -> Release | None:
        """What may be told; None when that is nothing.

        With ``gaps=False`` columns that have values in some rows only are left out.
        """
        if summary.subjects < self.threshold:
            return None
        selection = self._select(summary, summary.nullable if gaps else ())
        if self.rounding:
            hidden = self._hide(summary, selection)
            if hidden is None:
                return None
            selection = hidden
        return Release(
            answer=self._answer(summary, selection),
            columns=selection.columns,
            sizes=_sizes(summary, selection),
            distributed=bool(selection.ages or selection.sexes),
        )

    # No combination of numbers may rest on few subjects.

    def _select(self, summary: CohortSummary, columns: Sequence[int]) -> Selection:
        """As much as can be told together: sexes first, then ages, then columns in their order."""
        effort = Effort()
        chosen = Selection()
        if summary.demographics:
            sexes: tuple[Group, ...] | None = grouped(sex_buckets(summary.sexes), self.threshold)
            while sexes and not self._safe(summary, replace(chosen, sexes=sexes), effort):
                sexes = coarser(sexes)
            chosen = replace(chosen, sexes=sexes or ())
            ages: tuple[Group, ...] | None = grouped(decade_buckets(summary.decades), self.threshold)
            while ages and not self._safe(summary, replace(chosen, ages=ages), effort):
                ages = coarser(ages)
            chosen = replace(chosen, ages=ages or ())
        for column in columns[:MAX_GAP_COLUMNS]:
            candidate = replace(chosen, columns=(*chosen.columns, column))
            if self._safe(summary, candidate, effort):
                chosen = candidate
        return chosen

    def _safe(self, summary: CohortSummary, selection: Selection, effort: Effort) -> bool:
        shares = _independent_shares(summary, selection)
        vectors: Counter[Vector] = Counter()
        for cell in summary.cells:
            vectors[tuple(share(cell) for share in shares)] += cell.subjects
        return stands_for_many(
            vectors, self.threshold, effort, full_rank=None if summary.complete else len(shares)
        )

    # No rounded number may be told exactly by the others.

    def _hide(self, summary: CohortSummary, selection: Selection) -> Selection | None:
        """As much as can be told in rounded numbers without betraying an exact one."""
        while betrayed := self._betrayed(summary, selection):
            smaller = _without(selection, betrayed)
            if smaller is None:
                return None
            selection = smaller
        return selection

    def _betrayed(self, summary: CohortSummary, selection: Selection) -> set[object]:
        """The parts of a selection of which an exact number follows; ``"rows"`` is the number of records."""
        parts: list[tuple[object, Share, int, bool]] = [("rows", _rows, summary.rows, True)]
        parts.append(("subjects", _one, summary.subjects, False))
        for name, groups, value in (("ages", selection.ages, _decade), ("sexes", selection.sexes, _sex)):
            shares = _memberships(groups, value)
            parts += [
                (name, share, group.subjects, True) for group, share in zip(groups, shares, strict=True)
            ]
        for column in selection.columns:
            with_value, without = summary.values[column], summary.rows - summary.values[column]
            parts += [(column, _values(column), with_value, True), (column, _gaps(column), without, True)]
            for share in (_holds(column), _lacks(column)):
                parts.append((column, share, _total(summary, share), False))
        bounds = [
            limits(number, self.rounding, self.threshold)
            if told
            else Limits(number - self.threshold, None, told=False)
            for _, _, number, told in parts
        ]
        kinds = [tuple(share(cell) for _, share, _, _ in parts) for cell in summary.cells]
        return {parts[place][0] for place in determined(bounds, list(dict.fromkeys(kinds)))}

    def _answer(self, summary: CohortSummary, selection: Selection) -> CohortAnswer:
        def told(label: str, number: int) -> Bucket:
            return Bucket(value=label, count=rounded(number, self.rounding))

        labels = [name.replace("_", "\n") for name in summary.columns]
        full = {place for place, count in enumerate(summary.values) if count == summary.rows}
        counts = [
            told(labels[place], summary.values[place])
            for place in range(len(labels))
            if place in full or place in selection.columns
        ]
        nulls = [told(labels[place], summary.rows - summary.values[place]) for place in selection.columns]
        data = [Statistic(name=COUNTS, results=counts), Statistic(name=NULLS, results=nulls)]
        for name, groups in (("Age Distribution", selection.ages), ("Sex Distribution", selection.sexes)):
            if groups:
                data.append(
                    Statistic(name=name, results=[told(group.label, group.subjects) for group in groups])
                )
        return CohortAnswer(rounded(summary.rows, self.rounding), tuple(data), suppressed=False)


def _without(selection: Selection, betrayed: set[object]) -> Selection | None:
    """A selection that tells less, and of what was betrayed first; None when only the number of rows is left."""
    columns = tuple(column for column in selection.columns if column not in betrayed)
    if columns != selection.columns:
        return replace(selection, columns=columns)
    if selection.ages and ("ages" in betrayed or "sexes" not in betrayed):
        return replace(selection, ages=coarser(selection.ages) or ())
    if selection.sexes:
        return replace(selection, sexes=coarser(selection.sexes) or ())
    if selection.columns:
        return replace(selection, columns=selection.columns[:-1])
    return None


def _independent_shares(summary: CohortSummary, selection: Selection) -> list[Share]:
    """Shares that every number of the selection can be computed from, without those known to follow from others."""
    ages = _memberships(selection.ages, _decade)
    sexes = _memberships(selection.sexes, _sex)
    # The buckets of each distribution add up to all subjects, and so do the rows where everybody has one.
    known_sum = bool(ages)
    shares: list[Share] = ages + (sexes[1:] if known_sum else sexes)
    if not shares or summary.rows != summary.subjects:
        shares.append(_rows)
    return shares + [_values(column) for column in selection.columns]


def _sizes(summary: CohortSummary, selection: Selection) -> tuple[int, ...]:
    sizes = [summary.subjects]
    for column in selection.columns:
        sizes += [summary.holders[column], _total(summary, _lacks(column))]
    return tuple(sizes)


def _total(summary: CohortSummary, share: Share) -> int:
    return sum(share(cell) * cell.subjects for cell in summary.cells)


def _rows(cell: Cell) -> int:
    return cell.rows


def _one(_: Cell) -> int:
    return 1


def _decade(cell: Cell) -> object:
    return cell.decade


def _sex(cell: Cell) -> object:
    return cell.sex


def _memberships(groups: Sequence[Group], value: Callable[[Cell], object]) -> list[Share]:
    """The share of each bucket; whatever is in none of the others is in "Other"."""
    named = frozenset[object]().union(*(group.values for group in groups if group.label != OTHER))
    return [_rest(named, value) if group.label == OTHER else _member(group, value) for group in groups]


def _member(group: Group, value: Callable[[Cell], object]) -> Share:
    return lambda cell: int(value(cell) in group.values)


def _rest(named: frozenset[object], value: Callable[[Cell], object]) -> Share:
    return lambda cell: int(value(cell) not in named)


def _values(column: int) -> Share:
    return lambda cell: cell.values[column]


def _gaps(column: int) -> Share:
    return lambda cell: cell.rows - cell.values[column]


def _holds(column: int) -> Share:
    return lambda cell: int(cell.values[column] > 0)


def _lacks(column: int) -> Share:
    return lambda cell: int(cell.rows > cell.values[column])
