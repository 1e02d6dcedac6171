"""Rounded numbers, and what they still betray."""

from __future__ import annotations

import pytest

from flame_node_agent.cohort.disclosure import DisclosureControl
from flame_node_agent.cohort.rounding import rounded
from tests.unit.cohort.populations import Person, people, summary, told


@pytest.mark.parametrize(
    ("number", "step", "wanted"),
    [(12, 5, 10), (13, 5, 15), (14, 10, 10), (15, 10, 20), (25, 10, 30), (17, 0, 17), (0, 5, 0), (2, 5, 0)],
)
def test_half_goes_up(number: int, step: int, wanted: int) -> None:
    assert rounded(number, step) == wanted


def test_every_number_is_rounded() -> None:
    cohort = [
        Person(decade, sex, ((True, seed % 3 > 0),))
        for decade in range(1, 7)
        for sex in "FM"
        for seed in range(17)
    ]
    release = DisclosureControl(10, 5).release(summary(("person_id", "x"), cohort))
    assert release is not None
    numbers = [count for group in told(release).values() for count in group.values()]
    assert len(numbers) == 2 + 1 + 6 + 2
    assert all(number % 5 == 0 for number in [*numbers, release.answer.record_count])
    assert release.answer.record_count == 205  # of 204


def test_sum_of_rounded_numbers_does_not_betray_exact_ones() -> None:
    """Four buckets of 12 are told as 10, of at most 12, and 48 as 50, of at least 48: each would have to be 12."""
    cohort = [person for decade in (2, 3, 4, 5) for person in people(12, decade=decade)]
    release = DisclosureControl(10, 5).release(summary(("person_id",), cohort))
    assert release is not None
    assert release.answer.record_count == 50
    assert told(release).get("Age Distribution") != dict.fromkeys(["20-29", "30-39", "40-49", "50-59"], 10)


def test_threshold_does_not_betray_an_exact_number() -> None:
    """With a threshold of 12, what is told as 10 is 12."""
    assert DisclosureControl(12, 5).release(summary(("person_id",), people(12))) is None
    assert DisclosureControl(12, 5).release(summary(("person_id",), people(14))) is not None


@pytest.mark.parametrize("rows", [1, 2, 3, 20])
def test_equal_numbers_of_rows_are_told_as_multiples_of_the_rounded_number_of_subjects(rows: int) -> None:
    """Whoever gives everybody twenty rows could else read the number of subjects off rounded thousands."""
    release = DisclosureControl(10, 5).release(
        summary(("person_id",), [Person(4, "F", ((True,),) * rows)] * 101)
    )
    assert release is not None
    assert release.answer.record_count == 100 * rows
    assert told(release)["Counts"] == {"person\nid": 100 * rows}
    assert told(release)["Sex Distribution"] == {"F": 100}


def with_values(values: int, rows: int) -> Person:
    return Person(4, "F", tuple((place < values,) for place in range(rows)))


def test_equal_numbers_of_values_are_told_as_multiples_of_the_rounded_number_of_holders() -> None:
    """53 of 106 have three values in four rows."""
    cohort = [with_values(3, 4)] * 53 + [with_values(0, 4)] * 53
    numbers = told(DisclosureControl(10, 5).release(summary(("x",), cohort, demographics=False)))
    assert numbers["Counts"] == {"x": 3 * 55}
    assert numbers["Nulls"] == {"x": 260}  # 53 gaps and 212, to 4 times 5


def test_other_numbers_of_rows_are_rounded_to_a_power_of_two_times_the_step() -> None:
    """The number of rows of one subject is not to be read off what divides a number."""
    cohort = [with_values(1, 1)] * 300 + [with_values(37, 37)] * 40 + [with_values(41, 41)] * 40
    release = DisclosureControl(10, 5).release(summary(("person_id",), cohort))
    assert release is not None
    assert release.answer.record_count == 3520  # of 3420, to 64 times 5


def test_rows_that_are_nearly_all_of_one_subject_are_not_told_as_none() -> None:
    cohort = [with_values(1, 1)] * 30 + [with_values(100, 100)]
    assert DisclosureControl(10, 5).release(summary(("person_id",), cohort)) is None
