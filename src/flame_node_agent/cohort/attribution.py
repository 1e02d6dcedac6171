"""Whether numbers, taken together, betray a few subjects: the auditing of linear queries.

Every number of an answer is a sum over subjects: each contributes his own share (rows, rows with a value, or one to the
bucket of his age). Whoever adds and subtracts published numbers gets such a sum again. If nearly all shares cancel out
and what is left belongs to one to ``threshold - 1`` subjects, the result tells about these few, although every number
published was large: 51 men less 50 people of an age at which there are only men in this cohort leaves one man of
another age. (Statistics calls this disclosure by differencing; Chin and Ozsoyoglu, "Auditing and inference control in
statistical databases", 1982; ONS and NHS England ask for secondary suppression against it.)

Subjects who are alike in all their shares form one vector:

    =====================  ===  =====  ========  ========  ========
    subjects               men  women  twenties  thirties  how many
    =====================  ===  =====  ========  ========  ========
    men in their twenties   1     0       1         0         50
    women in their 30s      0     1       0         1         60
    men in their thirties   1     0       0         1          1
    =====================  ===  =====  ========  ========  ========

A combination of numbers that leaves out a set of subjects is orthogonal to their vectors ("men less twenties" is 0 in
the first two lines); there is one that leaves out all but a few exactly when the vectors of the others span less than
all vectors do (rank 3 with the last line, 2 without). So numbers are safe together when the vectors of all subjects
still have full rank after any ``threshold - 1`` subjects are taken away; "removing" below means just that. Finding the
worst few is a hard problem in general, so the search is bounded; what it cannot decide in time counts as unsafe.

The same example with the search in words: docs/explanation/disclosure-control.md, "Adding and subtracting".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Vector = tuple[int, ...]

_PRIME = (1 << 61) - 1
"""Ranks are taken modulo this prime. Vectors independent there are independent; the reverse fails only by a chance
of about one in 10^17 that no query can steer, as shares are small numbers."""

_KEPT = 1 << 62
"""A number of subjects that no budget reaches: these stay."""


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
                self._rows[place] = _scaled(rest, place)
                return True
            rest = self._less(rest, place, row)
        return False

    def beyond(self, vector: Sequence[int]) -> tuple[int, ...]:
        """The direction in which a vector leaves the span: equal for two that span the same together with it.

        All zero for a vector that does not leave it.
        """
        rest = [value % _PRIME for value in vector]
        for place in range(len(rest)):
            row = self._rows.get(place)
            if rest[place] and row is not None:
                rest = self._less(rest, place, row)
        first = next((place for place, value in enumerate(rest) if value), None)
        self._effort.spend(len(rest))
        return tuple(rest if first is None else _scaled(rest, first))

    def _less(self, vector: list[int], place: int, row: list[int]) -> list[int]:
        """The vector without its part along a row, so that it is zero at a place."""
        self._effort.spend(len(vector) - place)
        factor = vector[place]
        return [(value - factor * other) % _PRIME for value, other in zip(vector, row, strict=True)]


def _scaled(vector: list[int], place: int) -> list[int]:
    """The vector times what makes it 1 at a place."""
    inverse = pow(vector[place], -1, _PRIME)
    return [value * inverse % _PRIME for value in vector]


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
    cells = sorted((cell for cell in vectors.items() if any(cell[0])), key=_by_weight)
    try:
        rank = full_rank
        if rank is None:
            rank = _rank(cells, effort)
        return _withstands(cells, rank, threshold - 1, effort)
    except Undecided:
        return False


type _Cells = list[tuple[Vector, int]]
"""Vectors, and how many subjects have each."""


def _by_weight(cell: tuple[Vector, int]) -> tuple[int, Vector]:
    return -cell[1], cell[0]


def _rank(cells: _Cells, effort: Effort) -> int:
    span = Span(effort)
    for vector, _ in cells:
        span.add(vector)
    return span.rank


def _basis(cells: _Cells, rank: int, effort: Effort) -> list[int] | None:
    """Positions of the first ``rank`` independent vectors that somebody has; None when there are not so many.

    As the commonest come first, these are the ones that are hardest to remove.
    """
    span = Span(effort)
    chosen: list[int] = []
    for place, (vector, subjects) in enumerate(cells):
        if len(chosen) == rank:
            break
        if subjects and span.add(vector):
            chosen.append(place)
    return chosen if len(chosen) == rank else None


def _withstands(cells: _Cells, rank: int, budget: int, effort: Effort) -> bool:
    """Whether the rank stays whichever subjects are removed, ``budget`` of them at most.

    Full rank means that there is a basis. Either so many are found that ``budget`` removals cannot break all of them;
    or one is taken, of which some vector has to go, and each of them is tried.
    """
    basis = _basis(cells, rank, effort)
    if basis is None:
        return False
    if _has_disjoint_bases(cells, rank, budget + 1, effort):
        return True
    remaining = list(cells)
    for place in basis:
        vector, subjects = cells[place]
        if subjects > budget:
            continue  # too many to go
        without = [cell for cell in remaining if cell[0] != vector]
        if not _withstands(without, rank, budget - subjects, effort):
            return False
        # The case without this vector is settled, so in all that follow it stays.
        remaining = sorted(((v, _KEPT if v == vector else n) for v, n in remaining), key=_by_weight)
    return True


def _has_disjoint_bases(cells: _Cells, rank: int, wanted: int, effort: Effort) -> bool:
    """Whether ``wanted`` bases are found that have no subject in common: fewer removals cannot break all of them.

    A basis of vectors that 7 subjects or more have is 7 bases of different subjects.
    """
    left = dict(cells)
    found = 0
    while found < wanted:
        commonest = sorted(left.items(), key=lambda cell: -cell[1])
        chosen = _basis(commonest, rank, effort)
        if chosen is None:
            return False
        basis = [commonest[place][0] for place in chosen]
        taken = min([wanted - found, *(left[vector] for vector in basis)])
        for vector in basis:
            left[vector] -= taken
        found += taken
    return True
