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


def test_equal_numbers_of_rows_do_not_betray_the_number_of_subjects() -> None:
    """Whoever gives everybody twenty rows could read the number of subjects off rounded thousands."""
    rows = ((True,),) * 20
    assert DisclosureControl(10, 5).release(summary(("person_id",), [Person(4, "F", rows)] * 101)) is None
