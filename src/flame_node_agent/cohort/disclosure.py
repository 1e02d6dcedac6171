"""Disclosure control: what may be told of a cohort. Pure; every number that leaves comes out of here.

The rules, where each comes from, and what they do not prevent: docs/explanation/disclosure-control.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from flame_node_agent.cohort import shares
from flame_node_agent.cohort.answer import CohortAnswer
from flame_node_agent.cohort.attribution import Effort, Vector, stands_for_many
from flame_node_agent.cohort.buckets import Group, coarser, decade_buckets, grouped, sex_buckets
from flame_node_agent.cohort.combinations import sizes_of
from flame_node_agent.cohort.rounding import Limits, determined, limits, rounded, step_of
from flame_node_agent.cohort.shares import Share
from flame_node_agent.cohort.subjects import label
from flame_node_agent.cohort.summary import ONE, Apiece, CohortSummary
from flame_node_agent.config.data_access import THRESHOLD_FLOOR
from flame_node_agent.wire.data_access import Bucket, Statistic

MAX_GAP_COLUMNS = 40
"""Of more columns with gaps no numbers are told: each of them is a cohort that later ones are compared with."""

COUNTS = "Counts"
NULLS = "Nulls"
"""One entry for each column, in the order of the columns."""


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
    """How many subjects the cohort has, and each combination of the numbers rests on."""
    varied: bool
    """Whether there are more combinations than ``sizes`` lists; then these are of the numbers alone."""
    distributed: bool
    """Whether a distribution is told, from which the number of subjects follows."""


@dataclass(frozen=True)
class Number:
    """A number of an answer; or one that is not told, but has to be large for the answer to be given."""

    part: object
    """Where it stands: ``"rows"``, ``"subjects"``, ``"ages"``, ``"sexes"``, or the position of a column."""
    share: Share
    value: int
    apiece: Apiece = ONE
    told: bool = True


class DisclosureControl:
    """The rules for one answer."""

    def __init__(self, threshold: int, rounding: int = 0) -> None:
        """``threshold`` is in subjects; below the floor of the trust's settings it counts as the floor."""
        self.threshold = max(threshold, THRESHOLD_FLOOR)
        self.rounding = rounding

    def release(
        self, summary: CohortSummary, *, gaps: bool = True, distributions: bool = True
    ) -> Release | None:
        """What may be told; None when that is nothing.

        With ``gaps=False`` columns that have values in some rows only are left out; with ``distributions=False`` ages
        and sexes are.
        """
        if summary.subjects < self.threshold:
            return None
        selection = self._select(summary, summary.nullable if gaps else (), distributions)
        if self.rounding:
            hidden = self._hide(summary, selection)
            if hidden is None:
                return None
            selection = hidden
        sizes, varied = _sizes(summary, selection)
        return Release(
            answer=self._answer(summary, selection),
            columns=selection.columns,
            sizes=sizes,
            varied=varied,
            distributed=bool(selection.ages or selection.sexes),
        )

    # No combination of numbers may rest on few subjects.

    def _select(self, summary: CohortSummary, columns: Sequence[int], distributions: bool) -> Selection:
        """As much as can be told together: sexes first, then ages, then columns in their order."""
        effort = Effort()
        chosen = Selection()
        if summary.demographics and distributions:
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
        wanted = _independent_shares(summary, selection)
        vectors: Counter[Vector] = Counter()
        for cell in summary.cells:
            vectors[tuple(share(cell) for share in wanted)] += cell.subjects
        return stands_for_many(
            vectors, self.threshold, effort, full_rank=None if summary.complete else len(wanted)
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
        """The parts of the answer of which an exact number follows."""
        numbers = _rounded_numbers(summary, selection)
        bounds = [
            limits(each.value, step_of(self.rounding, each.apiece), self.threshold)
            if each.told
            else Limits(each.value - self.threshold, None, told=False)
            for each in numbers
        ]
        kinds: Counter[Vector] = Counter()
        for cell in summary.cells:
            kinds[tuple(each.share(cell) for each in numbers)] += cell.subjects
        betrayed = {numbers[place].part for place in determined(bounds, kinds)}
        # Where few have most of the rows, all rows together may be told as none.
        return betrayed | {
            each.part for each in numbers if each.told and not self._rounded(each.value, each.apiece)
        }

    def _rounded(self, number: int, apiece: Apiece = ONE) -> int:
        return rounded(number, step_of(self.rounding, apiece))

    def _answer(self, summary: CohortSummary, selection: Selection) -> CohortAnswer:
        def told(name: str, number: int, apiece: Apiece = ONE) -> Bucket:
            return Bucket(value=name, count=self._rounded(number, apiece))

        labels = [label(name) for name in summary.columns]
        full = {place for place, count in enumerate(summary.values) if count == summary.rows}
        counts = [
            told(labels[place], summary.values[place], summary.values_apiece[place])
            for place in range(len(labels))
            if place in full or place in selection.columns
        ]
        nulls = [
            told(labels[place], summary.rows - summary.values[place], summary.gaps_apiece[place])
            for place in selection.columns
        ]
        data = [Statistic(name=COUNTS, results=counts), Statistic(name=NULLS, results=nulls)]
        for name, groups in (("Age Distribution", selection.ages), ("Sex Distribution", selection.sexes)):
            if groups:
                data.append(
                    Statistic(name=name, results=[told(group.label, group.subjects) for group in groups])
                )
        records = self._rounded(summary.rows, summary.rows_apiece)
        return CohortAnswer(records, tuple(data), suppressed=False)


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
    ages = shares.memberships(selection.ages, shares.decade)
    sexes = shares.memberships(selection.sexes, shares.sex)
    # The buckets of each distribution add up to all subjects, and so do the rows where everybody has one.
    known_sum = bool(ages)
    chosen: list[Share] = ages + (sexes[1:] if known_sum else sexes)
    if not chosen or summary.rows != summary.subjects:
        chosen.append(shares.rows)
    return chosen + [shares.values(column) for column in selection.columns]


def _rounded_numbers(summary: CohortSummary, selection: Selection) -> list[Number]:
    """All that the answer depends on when it is rounded."""
    numbers = [
        Number("rows", shares.rows, summary.rows, summary.rows_apiece),
        Number("subjects", shares.one, summary.subjects, told=False),
    ]
    for name, groups, value in (
        ("ages", selection.ages, shares.decade),
        ("sexes", selection.sexes, shares.sex),
    ):
        members = shares.memberships(groups, value)
        numbers += [Number(name, share, group.subjects) for group, share in zip(groups, members, strict=True)]
    for column in selection.columns:
        gaps = summary.rows - summary.values[column]
        numbers += [
            Number(column, shares.values(column), summary.values[column], summary.values_apiece[column]),
            Number(column, shares.gaps(column), gaps, summary.gaps_apiece[column]),
            Number(column, shares.holds(column), summary.holders[column], told=False),
            Number(column, shares.lacks(column), summary.lacking[column], told=False),
        ]
    return numbers


def _sizes(summary: CohortSummary, selection: Selection) -> tuple[tuple[int, ...], bool]:
    """Sizes by which answers to compare are found, and whether there are others beside these."""
    told: list[Share] = [shares.rows, *map(shares.values, selection.columns)]
    if (selection.ages or selection.sexes) and summary.rows != summary.subjects:
        told.append(shares.one)
    if len(told) == 1:
        return (summary.subjects,), False
    if summary.complete:
        vectors: Counter[Vector] = Counter()
        for cell in summary.cells:
            vectors[tuple(share(cell) for share in told)] += cell.subjects
        if (sizes := sizes_of(vectors)) is not None:
            return (summary.subjects, *sorted(sizes - {summary.subjects})), False
    gaps = [
        size for column in selection.columns for size in (summary.holders[column], summary.lacking[column])
    ]
    return (summary.subjects, *gaps), True
