"""Rounding half up, and whether it hides.

Rounding to 5 or 10 is what NHS England and OpenSAFELY ask for beside the threshold. It does not hide by itself: four
buckets of 12, told as 10 each with a sum of 48 told as 50, can only be 12 each. So a rounded answer is released only if
every number in it would look the same in another cohort: one with a subject more or less, or with one subject in the
place of another, that would be told in exactly the same numbers.

A number of rows has a larger step than a number of subjects, as one subject can have many rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product

from flame_node_agent.cohort.attribution import Vector
from flame_node_agent.cohort.summary import Apiece

_KINDS = 40
"""How many kinds of subjects are tried on either side of an exchange, commonest first."""


def rounded(number: int, step: int) -> int:
    """``number`` rounded half up to a multiple of ``step``; as it is when ``step`` is 0."""
    return number if not step else (2 * number + step) // (2 * step) * step


def step_of(step: int, apiece: Apiece) -> int:
    """The step to which a number is rounded of which a subject adds so much, where subjects are rounded to ``step``.

    If all add the same, the number is told as that many times the rounded number of subjects: 103 subjects with two
    rows each as 210, like 103 as 105. Rounded to 5 as well, 206 would be told as 205, and 205 and 105 together
    leave no other number of subjects than 103. Otherwise it is the next power of two that is taken times the step,
    as the most that anybody adds is a fact about one subject.
    """
    if apiece.least == apiece.most:
        return step * max(apiece.most, 1)
    return step * (1 << (apiece.most - 1).bit_length())


@dataclass(frozen=True)
class Limits:
    """How far a number may move, down and up, before somebody who sees the answer could notice.

    ``told`` is False for numbers that are not told, but on which it depends whether the answer would be given at all.
    """

    down: int
    up: int | None
    told: bool = True

    def allow(self, change: int) -> bool:
        """Whether a change would go unnoticed."""
        return -self.down <= change and (self.up is None or change <= self.up)


def limits(number: int, step: int, threshold: int) -> Limits:
    """The limits of a number that is told rounded, if no number below ``threshold`` is ever told.

    13 to 17 are told as 15 with a step of 5; so 16 may lose 3 and gain 1. With a threshold of 15 it may lose 1 only.
    """
    lowest = rounded(number, step) - step // 2
    highest = lowest + step - 1
    return Limits(number - max(lowest, threshold), highest - number)


def determined(bounds: Sequence[Limits], kinds: Mapping[Vector, int]) -> set[int]:
    """Positions of the numbers whose exact value follows from the answer: no small change of them would go unseen.

    Buckets of 13 and 26, 39 in all, are told as 15, 25 and 40. With one more in the first they would be 14, 26 and 40,
    and told alike: so neither 13 nor 39 follows. With one more in the second likewise, so 26 does not follow either.
    A change is unseen only if every number stays within its limits, those of numbers that are not told included.

    Args:
        bounds: the limits of each number.
        kinds: for each kind of subject that there is, what one of them adds to each number, and how many they are;
            commonest first.
    """
    unknown: set[int] = set()
    for place in range(len(bounds)):
        if bounds[place].told and place not in unknown:
            for change in _changes(place, kinds):
                if all(map(Limits.allow, bounds, change)):
                    unknown |= {moved for moved, shift in enumerate(change) if shift}
                    break
    return {place for place, bound in enumerate(bounds) if bound.told} - unknown


def _changes(place: int, kinds: Mapping[Vector, int]) -> Iterator[Vector]:
    """Ways to change one number a little: a subject more, one less, one in the place of another.

    The last of a kind stays: without him the steps of the numbers could be others.
    """
    adding = list(islice((kind for kind in kinds if kind[place]), _KINDS))
    others = list(islice((kind for kind in kinds if not kind[place]), _KINDS))
    for kind in adding:
        yield kind
        if kinds[kind] > 1:
            yield tuple(-share for share in kind)
    for kind, other in product(adding, [*others, *adding]):
        if kind[place] != other[place]:
            if kinds[other] > 1:
                yield tuple(one - another for one, another in zip(kind, other, strict=True))
            if kinds[kind] > 1:
                yield tuple(another - one for one, another in zip(kind, other, strict=True))
