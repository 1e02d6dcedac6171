"""Populations drawn so that answers about them are hard to give: few kinds of persons, some of them rare."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.unit.cohort.populations import Person

COLUMNS = ("a", "b", "c")

_sizes = st.one_of(st.integers(1, 4), st.integers(5, 14))
_row = st.tuples(*[st.booleans()] * len(COLUMNS))
_rows = st.one_of(st.tuples(_row), st.tuples(_row), st.tuples(_row, _row), _row.map(lambda row: (row,) * 20))
_person = st.builds(
    Person, decade=st.sampled_from([2, 3, 4, None]), sex=st.sampled_from(["F", "M", None]), rows=_rows
)

kinds = st.lists(st.tuples(_person, _sizes), min_size=1, max_size=9)
"""Kinds of persons, and how many there are of each."""

populations = kinds.map(lambda drawn: [person for person, number in drawn for _ in range(number)])
