"""What an attacker computes from many answers, who chooses the cohorts and their order as he likes."""

from __future__ import annotations

import asyncio
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from flame_node_agent.cohort.answer import CohortAnswer
from tests.property.cohort_double import Rows, TrustInMemory, counting_in_memory
from tests.property.cohort_populations import COLUMNS

THRESHOLD = 5
PERSONS = 36

_orders = st.permutations(range(PERSONS))
_sizes = st.lists(st.integers(0, PERSONS), min_size=2, max_size=9)


async def _ask(cohorts: list[Rows]) -> list[CohortAnswer]:
    trust = TrustInMemory()
    return [await trust.ask(rows, THRESHOLD) for rows in cohorts]


def answers_to(cohorts: list[Rows]) -> list[CohortAnswer]:
    with counting_in_memory():
        return asyncio.run(_ask(cohorts))


@settings(max_examples=150)
@given(_orders, _sizes)
def test_no_two_told_sizes_of_nested_cohorts_differ_by_few(order: list[int], sizes: list[int]) -> None:
    cohorts: list[Rows] = [[(person, 1, 1, 1) for person in sorted(order[:size])] for size in sizes]
    told = [answer.record_count for answer in answers_to(cohorts) if not answer.suppressed]
    assert any(told) or max(sizes) < THRESHOLD
    for one, other in combinations(told, 2):
        assert not 0 < abs(one - other) < THRESHOLD


def test_difference_of_two_columns_is_compared_with_cohorts() -> None:
    """901 with y less 600 with x are 301; the later cohort is these without one of them."""
    kinds = [(1, 1, 1)] * 600 + [(1, 0, 1)] * 301 + [(1, 0, 0)] * 500
    columns = [(person, *values) for person, values in enumerate(kinds)]
    first, second = answers_to([columns, [(person, 1, 1, 1) for person in range(601, 901)]])
    assert [bucket.count for bucket in first.data[0].results] == [1401, 600, 901]
    assert second.suppressed


def test_subjects_without_a_value_in_any_row_are_compared_with_cohorts() -> None:
    """Everybody has two rows, so a row without a value; 2,002 rows less twice 700 values leave 301 persons."""
    rows = [(person, 1, 1, int(person < 700 and row)) for person in range(1001) for row in (0, 1)]
    first, second = answers_to([rows, [(person, 1, 1, 1) for person in range(701, 1001)]])
    assert [bucket.count for bucket in first.data[0].results] == [2002, 2002, 2002, 700][1:]
    assert second.suppressed


_row = st.tuples(*[st.integers(0, 1)] * len(COLUMNS))
_changes = st.lists(
    st.tuples(st.integers(0, PERSONS - 1), st.sampled_from(["out", "twice", "in", *range(len(COLUMNS))])),
    max_size=7,
)


@settings(max_examples=150)
@given(st.lists(_row, min_size=PERSONS, max_size=PERSONS), st.lists(_changes, min_size=1, max_size=5))
def test_no_numbers_of_two_answers_differ_by_what_few_persons_contribute(
    values: list[tuple[int, ...]], steps: list[list[tuple[int, object]]]
) -> None:
    """The cohorts differ by a few persons, rows or values each; numbers are records, values and gaps of columns."""
    base = {person: [(person, *values[person])] for person in range(PERSONS - 4)}
    cohorts: list[list[tuple[int, ...]]] = [[row for rows in base.values() for row in rows]]
    for changes in steps:
        changed = {person: list(rows) for person, rows in base.items()}
        for person, change in changes:
            rows = changed.setdefault(person, [(person, *values[person])])
            if change == "out":
                changed[person] = []
            elif change == "twice":
                rows.append((person, *values[person]))
            elif isinstance(change, int):
                changed[person] = [
                    (*row[: change + 1], 1 - row[change + 1], *row[change + 2 :]) for row in rows
                ]
        cohorts.append([row for rows in changed.values() for row in rows])
    answers = answers_to(list(cohorts))
    numbers = [
        share
        for cohort, answer in zip(cohorts, answers, strict=True)
        if not answer.suppressed
        for share in shares(cohort, answer)
    ]
    for (one, contributed), (other, contributed_there) in combinations(numbers, 2):
        persons = sum(
            contributed.get(person, 0) != contributed_there.get(person, 0) for person in range(PERSONS)
        )
        assert persons == 0 or persons >= THRESHOLD, f"{one} less {other} rests on {persons}"


def shares(cohort: list[tuple[int, ...]], answer: CohortAnswer) -> list[tuple[str, dict[int, int]]]:
    """For each number of an answer but the distributions', what every person contributes to it."""

    def contributions(column: int | None, value: int = 1) -> dict[int, int]:
        found: dict[int, int] = {}
        for row in cohort:
            if column is None or row[column + 1] == value:
                found[row[0]] = found.get(row[0], 0) + 1
        return found

    numbers = [(f"records {answer.record_count}", contributions(None))]
    for statistic, value in zip(answer.data[:2], (1, 0), strict=True):
        for bucket in statistic.results:
            column = COLUMNS.index(bucket.value)
            found = contributions(column, value)
            assert sum(found.values()) == bucket.count
            numbers.append((f"{statistic.name} {bucket.value}", found))
    return numbers
