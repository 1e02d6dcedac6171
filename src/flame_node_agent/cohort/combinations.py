"""How many subjects the combinations of an answer's numbers rest on.

Two answers can betray a few subjects only where a combination of the numbers of one (the number itself, "rows without a
value", "y less x") and a combination of the numbers of the other are the same for all subjects but these few. Then both
rest on nearly as many subjects. So answers of whose combinations no two are of similar size need not be compared.

A combination leaves out the kinds of subjects to whose vectors it is orthogonal. What can be left out at once is a flat
of these vectors: all of them that lie in one subspace. There are finitely many, each found from a smaller one and one
vector more (Oxley, "Matroid Theory", 2011, section 1.4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flame_node_agent.cohort.attribution import Effort, Span, Undecided, Vector

MAX_SIZES = 100
"""An answer with combinations of more sizes than this has similar ones to nearly every other."""

EFFORT = 1_000_000


def sizes_of(vectors: Mapping[Vector, int]) -> frozenset[int] | None:
    """The numbers of subjects that the combinations rest on; None when they are more than can be listed.

    Args:
        vectors: what a subject adds to each number, and how many subjects do; of all subjects.
    """
    cells = [(vector, subjects) for vector, subjects in vectors.items() if any(vector)]
    try:
        return _sizes(cells, Effort(EFFORT))
    except Undecided:
        return None


def _sizes(cells: Sequence[tuple[Vector, int]], effort: Effort) -> frozenset[int] | None:
    everybody = sum(subjects for _, subjects in cells)
    rank = _span([vector for vector, _ in cells], effort).rank
    found: set[int] = set()
    # Each flat, as a set of bits for the cells that are in it, with vectors that span it.
    flats: dict[int, list[Vector]] = {0: []} if rank else {}
    for _ in range(rank):
        larger: dict[int, list[Vector]] = {}
        for flat, basis in flats.items():
            left_out = sum(subjects for place, (_, subjects) in enumerate(cells) if flat >> place & 1)
            found.add(everybody - left_out)
            if len(found) > MAX_SIZES:
                return None
            if len(basis) < rank - 1:
                larger |= _one_vector_more(flat, basis, cells, effort)
        flats = larger
    return frozenset(found)


def _one_vector_more(
    flat: int, basis: Sequence[Vector], cells: Sequence[tuple[Vector, int]], effort: Effort
) -> dict[int, list[Vector]]:
    """The flats that are spanned by this one and another vector."""
    span = _span(basis, effort)
    together: dict[tuple[int, ...], int] = {}
    vectors: dict[tuple[int, ...], Vector] = {}
    for place, (vector, _) in enumerate(cells):
        if not flat >> place & 1:
            # Vectors with the same direction beyond the flat span the same with it.
            direction = span.beyond(vector)
            together[direction] = together.get(direction, flat) | 1 << place
            vectors.setdefault(direction, vector)
    return {members: [*basis, vectors[direction]] for direction, members in together.items()}


def _span(vectors: Sequence[Vector], effort: Effort) -> Span:
    span = Span(effort)
    for vector in vectors:
        span.add(vector)
    return span
