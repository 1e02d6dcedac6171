"""Buckets of a distribution, none of them small.

Small buckets are put together under "Other" (FLIP data-access-api). If these are still too few together, the next
smallest bucket joins them: otherwise whoever knows the sum could tell what is missing (ONS: secondary suppression).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

OTHER = "Other"
UNKNOWN = "Unknown"


@dataclass(frozen=True)
class Group:
    """A bucket as it is told: its label, the values in it, and how many subjects have one of them."""

    label: str
    values: frozenset[object]
    subjects: int


def grouped(buckets: Sequence[Group], threshold: int) -> tuple[Group, ...]:
    """Put small buckets together until none is below ``threshold``; the order stays, "Other" comes last.

    With a threshold of 10, F 80, M 120, X 4 and Unknown 3 become M 120 and Other 87. If all buckets are too small
    together, "Other" is too; whoever calls has seen to it that all subjects are as many as the threshold.
    """
    large = [bucket for bucket in buckets if bucket.subjects >= threshold]
    small = [bucket for bucket in buckets if 0 < bucket.subjects < threshold]
    while small and sum(bucket.subjects for bucket in small) < threshold and large:
        smallest = min(large, key=lambda bucket: bucket.subjects)
        large.remove(smallest)
        small.append(smallest)
    return _with_other(large, small)


def coarser(groups: Sequence[Group]) -> tuple[Group, ...] | None:
    """One bucket fewer, the smallest having joined "Other" or the next smallest; None when there is only one."""
    if len(groups) < 2:
        return None
    other = [group for group in groups if group.label == OTHER]
    named = sorted((group for group in groups if group.label != OTHER), key=lambda group: group.subjects)
    joining = named[: 1 if other else 2]
    return _with_other(
        [group for group in groups if group not in joining and group not in other], other + joining
    )


def decade_buckets(decades: Mapping[int | None, int]) -> list[Group]:
    """Ages as FLIP labels them, "20-29", youngest first."""
    order = sorted(decades, key=lambda decade: (decade is None, decade or 0))
    labels = {decade: UNKNOWN if decade is None else f"{decade * 10}-{decade * 10 + 9}" for decade in order}
    return [Group(labels[decade], frozenset({decade}), decades[decade]) for decade in order]


def sex_buckets(sexes: Mapping[str | None, int]) -> list[Group]:
    """Sexes under their source values, in alphabetical order."""
    values: dict[str, set[str | None]] = {}
    for value in sexes:
        values.setdefault(UNKNOWN if value is None else value, set()).add(value)
    order = sorted(values, key=lambda label: (label == UNKNOWN, label))
    return [
        Group(label, frozenset(values[label]), sum(sexes[value] for value in values[label]))
        for label in order
    ]


def _with_other(named: list[Group], together: list[Group]) -> tuple[Group, ...]:
    if not together:
        return tuple(named)
    # A source value may itself be called "Other"; two buckets of one name could not be told apart.
    together = together + [group for group in named if group.label == OTHER]
    values = frozenset[object]().union(*(group.values for group in together))
    other = Group(OTHER, values, sum(group.subjects for group in together))
    return (*(group for group in named if group.label != OTHER), other)
