"""Sizes of the combinations of an answer's numbers."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flame_node_agent.cohort.combinations import MAX_SIZES, sizes_of
from flame_node_agent.cohort.disclosure import DisclosureControl
from tests.unit.cohort.populations import Person, people, summary

CONTROL = DisclosureControl(10)


def sizes(columns: tuple[str, ...], cohort: list[Person]) -> tuple[int, ...]:
    release = CONTROL.release(summary(columns, cohort, demographics=False))
    assert release is not None
    assert not release.varied
    return release.sizes


def test_one_number_has_the_size_of_the_cohort() -> None:
    assert sizes(("person_id",), people(30)) == (30,)


def test_a_column_with_gaps_has_those_with_and_without_a_value() -> None:
    assert sizes(("x",), people(30, values="1") + people(50, values="0")) == (80, 30, 50)


def test_the_difference_of_two_columns_is_a_size_of_its_own() -> None:
    cohort = people(600, values="11") + people(301, values="01") + people(500, values="00")
    assert set(sizes(("x", "y"), cohort)) == {1401, 600, 301, 500, 901, 1100, 801}


def test_subjects_without_a_value_in_any_row_are_a_size_of_their_own() -> None:
    """Each has a row without; two rows less two values leave those who have no value."""
    cohort = [Person(4, "F", ((True,), (False,)))] * 700 + [Person(4, "F", ((False,), (False,)))] * 301
    assert set(sizes(("x",), cohort)) == {1001, 700, 301}


def test_of_kinds_that_are_not_all_known_the_sizes_are_those_of_the_numbers() -> None:
    full = summary(("x",), people(90, values="1") + people(80, values="0"), demographics=False)
    cut = replace(full, cells=(*full.cells[:1], replace(full.cells[1], subjects=20)), complete=False)
    release = CONTROL.release(cut)
    assert release is not None
    assert release.varied
    assert release.sizes == (170, 90, 80)


def test_one_row_for_everybody_is_one_number_whatever_is_not_known() -> None:
    full = summary(("x",), people(90, values="1") + people(80, values="1", decade=5))
    release = CONTROL.release(replace(full, cells=full.cells[:1], complete=False))
    assert release is not None
    assert (release.sizes, release.varied) == ((170,), False)


def test_more_combinations_than_can_be_listed() -> None:
    cohort = [
        person
        for number, values in enumerate(product("01", repeat=5))
        for person in people(20 + number**2, values="".join(values))
    ]
    release = CONTROL.release(summary(tuple("abcde"), cohort))
    assert release is not None
    assert len(release.columns) == 5
    assert release.varied
    assert release.sizes[0] == len(cohort)


def test_a_search_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = {(1, number): 20 for number in range(50)}
    assert sizes_of(vectors) == {1000, 980}
    monkeypatch.setattr("flame_node_agent.cohort.combinations.EFFORT", 20)
    assert sizes_of(vectors) is None


@given(st.dictionaries(st.tuples(*[st.integers(0, 2)] * 3), st.integers(1, 99), min_size=1, max_size=7))
def test_whatever_is_added_and_subtracted_has_a_size_that_is_listed(
    vectors: dict[tuple[int, ...], int],
) -> None:
    listed = sizes_of(vectors)
    assert listed is not None
    assert len(listed) <= MAX_SIZES
    tried = set()
    for factors in product(range(-4, 5), repeat=3):
        size = sum(
            subjects
            for vector, subjects in vectors.items()
            if sum(factor * value for factor, value in zip(factors, vector, strict=True))
        )
        if size:
            tried.add(size)
    # Two vectors are left out by their cross product, whose factors are 4 at most for shares of 0 to 2.
    assert listed == tried
