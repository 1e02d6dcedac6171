"""What disclosure control tells, and what it keeps."""

from __future__ import annotations

import pytest

from flame_node_agent.cohort.disclosure import DisclosureControl
from tests.unit.cohort.populations import Person, people, summary, told

CONTROL = DisclosureControl(10)


def test_cohort_of_the_threshold_is_told_and_one_smaller_is_not() -> None:
    assert CONTROL.release(summary(("person_id",), people(9))) is None
    release = CONTROL.release(summary(("person_id",), people(10)))
    assert release is not None
    assert release.answer.record_count == 10


def test_no_subjects_are_told_like_few() -> None:
    assert CONTROL.release(summary(("person_id",), [])) is None


def test_many_rows_of_few_subjects_are_few() -> None:
    rows = ((True,),) * 100
    assert CONTROL.release(summary(("person_id",), [Person(4, "F", rows)] * 9)) is None


@pytest.mark.parametrize("threshold", [-1, 0, 1, 4])
def test_no_threshold_goes_below_the_floor(threshold: int) -> None:
    control = DisclosureControl(threshold)
    assert control.release(summary(("person_id",), people(4))) is None
    assert control.release(summary(("person_id",), people(5))) is not None


def test_records_are_rows() -> None:
    release = CONTROL.release(summary(("person_id",), [Person(4, "F", ((True,), (True,)))] * 20))
    assert release is not None
    assert release.answer.record_count == 40
    assert told(release)["Sex Distribution"] == {"F": 20}


def test_groups_come_in_flips_order_with_spaces_turned_to_lines() -> None:
    release = CONTROL.release(
        summary(("person_id", "end_date"), people(30, values="11") + people(30, values="10"))
    )
    assert told(release) == {
        "Counts": {"person\nid": 60, "end\ndate": 30},
        "Nulls": {"end\ndate": 30},
        "Age Distribution": {"40-49": 60},
        "Sex Distribution": {"F": 60},
    }
    assert list(told(release)) == ["Counts", "Nulls", "Age Distribution", "Sex Distribution"]


def test_without_person_ids_there_are_no_distributions() -> None:
    release = CONTROL.release(summary(("accession_id",), people(20), demographics=False))
    assert list(told(release)) == ["Counts", "Nulls"]


@pytest.mark.parametrize(("with_value", "without"), [(0, 40), (3, 37), (37, 3)])
def test_column_with_few_values_or_few_gaps_looks_like_one_without_values(
    with_value: int, without: int
) -> None:
    cohort = people(with_value, values="11") + people(without, values="10")
    numbers = told(CONTROL.release(summary(("person_id", "x"), cohort)))
    assert numbers["Counts"] == {"person\nid": 40}
    assert numbers["Nulls"] == {}


def test_gaps_of_few_subjects_are_kept_however_many_rows_they_have() -> None:
    cohort = [*people(40, values="11"), Person(4, "F", ((True, False),) * 100)]
    numbers = told(CONTROL.release(summary(("person_id", "x"), cohort)))
    assert "x" not in numbers["Counts"]


def test_small_buckets_are_told_as_other() -> None:
    cohort = people(20, decade=2) + people(6, decade=3) + people(6, decade=4) + people(20, decade=5)
    assert told(CONTROL.release(summary(("person_id",), cohort)))["Age Distribution"] == {
        "20-29": 20,
        "50-59": 20,
        "Other": 12,
    }


def test_a_single_small_bucket_takes_the_next_smallest_along() -> None:
    cohort = people(20, decade=2) + people(3, decade=3) + people(30, decade=5)
    assert told(CONTROL.release(summary(("person_id",), cohort)))["Age Distribution"] == {
        "50-59": 30,
        "Other": 23,
    }


def test_unknown_is_a_bucket_like_others_and_comes_last() -> None:
    cohort = people(20, decade=None, sex=None) + people(20, decade=0, sex="M") + people(20, decade=10)
    numbers = told(CONTROL.release(summary(("person_id",), cohort)))
    assert list(numbers["Age Distribution"].items()) == [("0-9", 20), ("100-109", 20), ("Unknown", 20)]
    assert list(numbers["Sex Distribution"].items()) == [("F", 20), ("M", 20), ("Unknown", 20)]


def test_a_sex_that_is_called_other_is_not_told_apart_from_the_small_ones() -> None:
    cohort = people(20, sex="Other") + people(12, sex="F") + people(4, sex="X") + people(30, sex="M")
    numbers = told(CONTROL.release(summary(("person_id",), cohort)))["Sex Distribution"]
    assert numbers == {"M": 30, "Other": 36}


def test_two_columns_that_differ_by_one_person_are_not_told_both() -> None:
    cohort = people(50, values="11") + people(1, values="10") + people(50, values="00")
    numbers = told(CONTROL.release(summary(("a", "b"), cohort, demographics=False)))
    assert numbers["Counts"] == {"a": 51}


def test_three_columns_of_which_a_sum_leaves_one_person_are_not_told_together() -> None:
    """|A or B| + |A and B| = |A| + |B|; here only one person is in both."""
    cohort = (
        people(30, values="101")
        + people(30, values="011")
        + people(1, values="111")
        + people(30, values="000")
    )
    numbers = told(CONTROL.release(summary(("a", "b", "a_or_b"), cohort, demographics=False)))
    assert numbers["Counts"] == {"a": 31, "b": 31}


def test_distribution_of_ages_does_not_betray_who_is_of_which_sex() -> None:
    """Men in their twenties, women in their thirties, and one man in his thirties: 51 men less 50 twens."""
    cohort = people(50, decade=2, sex="M") + people(60, decade=3, sex="F") + people(1, decade=3, sex="M")
    numbers = told(CONTROL.release(summary(("person_id",), cohort)))
    assert numbers["Sex Distribution"] == {"F": 60, "M": 51}
    assert numbers["Age Distribution"] == {"Other": 111}


def test_number_of_rows_does_not_betray_who_has_more_than_one() -> None:
    cohort = [*people(50), Person(4, "F", ((True,),) * 20)]
    release = CONTROL.release(summary(("person_id",), cohort))
    assert release is not None
    assert release.answer.record_count == 70
    assert list(told(release)) == ["Counts", "Nulls"]


def test_usual_cohort_is_told_in_full() -> None:
    cohort = [
        Person(decade, sex, ((True, (decade * seed) % 3 > 0, seed % 2 > 0),))
        for decade in range(1, 9)
        for sex in ("F", "M")
        for seed in range(40)
    ]
    numbers = told(CONTROL.release(summary(("person_id", "x", "y"), cohort)))
    assert list(numbers["Nulls"]) == ["x", "y"]
    assert len(numbers["Age Distribution"]) == 8
    assert numbers["Sex Distribution"] == {"F": 320, "M": 320}


def test_rarer_kinds_of_subjects_may_be_unknown_to_the_audit() -> None:
    """Of a very varied cohort only the commonest kinds are known; what these make safe may be told."""
    full = summary(("a", "b"), people(90, values="11") + people(80, values="10") + people(70, values="01"))
    cut = full.__class__(**{**vars(full), "cells": full.cells[:2], "complete": False, "subjects": 240})
    release = CONTROL.release(cut)
    assert release is not None
    assert release.columns == (1,)  # of "a", gaps are known to be rare only
