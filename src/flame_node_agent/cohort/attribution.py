"""Whether numbers, taken together, betray a few subjects: the auditing of linear queries.

Every number of an answer is a sum over subjects: each contributes his own share (rows, rows with a value, or one to the
bucket of his age). Whoever adds and subtracts published numbers gets such a sum again. If nearly all shares cancel out
and what is left belongs to one to ``threshold - 1`` subjects, the result tells about these few, although every number
published was large: 51 men less 50 people of an age at which there are only men in this cohort leaves one man of
another age. (Statistics calls this disclosure by differencing; Chin and Ozsoyoglu, "Auditing and inference control in
statistical databases", 1982; ONS and NHS England ask for secondary suppression against it.)

Subjects who are alike in all their shares form one vector. A combination of numbers that leaves out a set of subjects
is orthogonal to their vectors; there is one that leaves out all but a few exactly when the vectors of the others span
less than all vectors do. So numbers are safe together when the vectors of all subjects still have full rank after any
``threshold - 1`` subjects are taken away. Finding the worst few is a hard problem in general, so the search is
bounded; what it cannot decide in time counts as unsafe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Vector = tuple[int, ...]

_PRIME = (1 << 61) - 1
"""Ranks are taken modulo this prime. Vectors independent there are independent; the reverse fails only by a chance
of about one in 10^17 that no query can steer, as shares are small numbers."""

_KEPT = 1 << 62
"""A weight that no budget reaches: these subjects are not among the ones taken away."""


class Effort:
    """How many steps of elimination may be spent, over all questions about one answer."""

    def __init__(self, steps: int = 3_000_000) -> None:
        self._left = steps

    def spend(self, steps: int) -> None:
        """Take steps away; Undecided when there are none left."""
        self._left -= steps
        if self._left < 0:
            raise Undecided


class Undecided(Exception):
    """The search has taken too long."""


class Span:
    """What some vectors span, as rows in echelon form."""

    def __init__(self, effort: Effort) -> None:
        self._rows: dict[int, list[int]] = {}
        self._effort = effort

    @property
    def rank(self) -> int:
        """How many of the added vectors were independent."""
        return len(self._rows)

    def add(self, vector: Sequence[int]) -> bool:
        """Add a vector; whether it was independent of those before."""
        rest = [value % _PRIME for value in vector]
        for place in range(len(rest)):
            if not rest[place]:
                continue
            row = self._rows.get(place)
            if row is None:
                inverse = pow(rest[place], -1, _PRIME)
                self._rows[place] = [value * inverse % _PRIME for value in rest]
                return True
            self._effort.spend(len(rest) - place)
            factor = rest[place]
            rest = [(value - factor * other) % _PRIME for value, other in zip(rest, row, strict=True)]
        return False


def stands_for_many(
    vectors: Mapping[Vector, int], threshold: int, effort: Effort, *, full_rank: int | None = None
) -> bool:
    """Whether it is proven that no combination of the numbers rests on one to ``threshold - 1`` subjects.

    Args:
        vectors: for each vector of shares, how many subjects have it.
        threshold: fewest subjects that any combination may rest on.
        effort: what may still be spent on the search.
        full_rank: where ``vectors`` are not those of all subjects: a rank that all together cannot exceed.
    """
    cells = sorted(((vector, weight) for vector, weight in vectors.items() if any(vector)), key=_by_weight)
    try:
        rank = full_rank
        if rank is None:
            rank = _rank(cells, effort)
        return _survives(cells, rank, threshold - 1, effort)
    except Undecided:
        return False


_Cells = list[tuple[Vector, int]]


def _by_weight(cell: tuple[Vector, int]) -> tuple[int, Vector]:
    return -cell[1], cell[0]


def _rank(cells: _Cells, effort: Effort) -> int:
    span = Span(effort)
    for vector, _ in cells:
        span.add(vector)
    return span.rank


def _basis(cells: Iterable[tuple[Vector, int]], rank: int, effort: Effort) -> list[int] | None:
    """Positions of ``rank`` independent vectors, the heaviest possible; None when there are not so many."""
    span = Span(effort)
    chosen: list[int] = []
    for place, (vector, weight) in enumerate(cells):
        if len(chosen) == rank:
            break
        if weight and span.add(vector):
            chosen.append(place)
    return chosen if len(chosen) == rank else None


def _survives(cells: _Cells, rank: int, budget: int, effort: Effort) -> bool:
    """Whether the rank stays whatever subjects are taken away, ``budget`` of them at most."""
    basis = _basis(cells, rank, effort)
    if basis is None:
        return False
    if _disjoint_bases(cells, rank, budget, effort):
        return True
    # Whoever wants to lower the rank has to break this basis somewhere, so one of its cells goes as a whole.
    remaining = list(cells)
    for place in basis:
        vector, weight = cells[place]
        if weight > budget:
            continue
        without = [cell for cell in remaining if cell[0] != vector]
        if not _survives(without, rank, budget - weight, effort):
            return False
        # Whatever else goes, this cell now stays: the case without it is settled.
        remaining = sorted(((v, _KEPT if v == vector else w) for v, w in remaining), key=_by_weight)
    return True


def _disjoint_bases(cells: _Cells, rank: int, budget: int, effort: Effort) -> bool:
    """Whether more than ``budget`` bases without a common subject are found: that many cannot all be broken."""
    vectors = [vector for vector, _ in cells]
    weights = [weight for _, weight in cells]
    found = 0
    while found <= budget:
        order = sorted(range(len(cells)), key=lambda place: -weights[place])
        chosen = _basis([(vectors[place], weights[place]) for place in order], rank, effort)
        if chosen is None:
            return False
        basis = [order[place] for place in chosen]
        taken = min([budget + 1 - found, *(weights[place] for place in basis)])
        for place in basis:
            weights[place] -= taken
        found += taken
    return True
