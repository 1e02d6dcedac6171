"""What an attacker with a whole answer, and full knowledge of who is like whom, can compute about a few persons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import combinations, product

from hypothesis import given
from hypothesis import strategies as st

from flame_node_agent.cohort.attribution import Effort, stands_for_many
from flame_node_agent.cohort.disclosure import DisclosureControl, Release
from flame_node_agent.cohort.rounding import rounded, step_of
from flame_node_agent.cohort.summary import Apiece
from tests.property.cohort_populations import COLUMNS, populations
from tests.unit.cohort.populations import Person, people, summary, told

THRESHOLD = 5
MOST_NUMBERS = 8
"""Of longer answers, the attacker looks at every choice of so many numbers that hypothesis hits upon."""


def decade_label(person: Person) -> str:
    return "Unknown" if person.decade is None else f"{person.decade * 10}-{person.decade * 10 + 9}"


def sex_label(person: Person) -> str:
    return person.sex or "Unknown"


def published(release: Release) -> dict[tuple[str, str], tuple[int, Callable[[Person], int]]]:
    """Each number of an answer, with what each person contributes to it, read from nothing but the answer."""
    groups = told(release)
    numbers: dict[tuple[str, str], tuple[int, Callable[[Person], int]]] = {
        ("records", ""): (release.answer.record_count, lambda person: len(person.rows))
    }
    for column, count in groups["Counts"].items():
        place = COLUMNS.index(column)
        numbers["Counts", column] = count, lambda person, place=place: person.values[place]
    for column, count in groups["Nulls"].items():
        place = COLUMNS.index(column)
        numbers["Nulls", column] = count, lambda person, place=place: len(person.rows) - person.values[place]
    for name, label_of in (("Age Distribution", decade_label), ("Sex Distribution", sex_label)):
        listed = set(groups.get(name, {}))
        for label, count in groups.get(name, {}).items():

            def share(person: Person, label=label, listed=listed, label_of=label_of) -> int:
                own = label_of(person)
                return int((own if own in listed else "Other") == label)

            numbers[name, label] = count, share
    return numbers


def smallest_basis(release: Release, cohort: list[Person], chosen: list[tuple[str, str]]) -> int | None:
    """Fewest persons that any sum and difference of the chosen numbers rests on; None when all rest on nobody."""
    numbers = published(release)
    shares = [numbers[name][1] for name in chosen]
    kinds = Counter(tuple(share(person) for share in shares) for person in cohort)
    found = set()
    for signs in product((-1, 0, 1), repeat=len(shares)):
        persons = sum(
            number
            for kind, number in kinds.items()
            if sum(sign * share for sign, share in zip(signs, kind, strict=True))
        )
        found.add(persons)
    return min(found - {0}, default=None)


@given(populations, st.data())
def test_no_sum_or_difference_of_told_numbers_rests_on_few_persons(cohort: list[Person], data) -> None:
    release = DisclosureControl(THRESHOLD).release(summary(COLUMNS, cohort))
    if release is None:
        assert len(cohort) < THRESHOLD
        return
    names = sorted(published(release))
    if len(names) > MOST_NUMBERS:
        names = data.draw(
            st.lists(st.sampled_from(names), min_size=MOST_NUMBERS, max_size=MOST_NUMBERS, unique=True)
        )
    fewest = smallest_basis(release, cohort, names)
    assert fewest is None or fewest >= THRESHOLD


@given(populations)
def test_told_numbers_are_right_and_none_is_small(cohort: list[Person]) -> None:
    release = DisclosureControl(THRESHOLD).release(summary(COLUMNS, cohort))
    if release is not None:
        for number, share in published(release).values():
            assert number == sum(map(share, cohort))
            assert number >= THRESHOLD


vectors = st.dictionaries(
    st.tuples(*[st.integers(0, 2)] * 4),
    st.one_of(st.integers(1, 4), st.integers(5, 9)),
    min_size=1,
    max_size=8,
)


@given(vectors, st.integers(2, 7))
def test_audit_decides_as_trying_out_everybody_who_could_be_singled_out(vectors, threshold: int) -> None:
    """With any coefficients, not only sums and differences."""
    full = rank(list(vectors))
    breakable = any(
        sum(vectors[kind] for kind in away) < threshold
        and rank([kind for kind in vectors if kind not in away]) < full
        for number in range(1, min(len(vectors), threshold - 1) + 1)
        for away in combinations(vectors, number)
    )
    assert stands_for_many(vectors, threshold, Effort()) is not breakable


def test_audit_that_takes_too_long_says_no() -> None:
    vectors = {(1, number): 20 for number in range(50)}
    assert stands_for_many(vectors, 5, Effort())
    assert not stands_for_many(vectors, 5, Effort(steps=3))


def rank(vectors: list[tuple[int, ...]]) -> int:
    rows = [[Fraction(value) for value in vector] for vector in vectors]
    found = 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((row for row in rows[found:] if row[column]), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        rows.insert(found, pivot)
        for row in rows[found + 1 :]:
            factor = row[column] / pivot[column]
            row[:] = [value - factor * other for value, other in zip(row, pivot, strict=True)]
        found += 1
    return found


# Rounding


def pinned(release: Release, cohort: list[Person], step: int, threshold: int) -> list[tuple[str, str]]:
    """The numbers of which an attacker learns the exact value by comparing sums of rounded numbers, and rounding."""
    numbers = published(release)
    bounds: dict[object, list[int]] = {}
    for name, (number, share) in numbers.items():
        each = {share(person) for person in cohort} - {0}
        own = step_of(step, Apiece(min(each), max(each)))
        assert number % own == 0, f"{name} is not rounded"
        bounds[name] = [max(number - own // 2, threshold), number - own // 2 + own - 1]
        if len(each) == 1:  # the attacker knows that it is a multiple, as he has written the query
            (unit,) = each
            bounds[name] = [-(-bounds[name][0] // unit) * unit, bounds[name][1] // unit * unit]
    bounds["subjects"] = [threshold, 10**6]
    rows = {len(person.rows) for person in cohort}
    sums: list[tuple[object, int, list[object]]] = [
        ("subjects", 1, [name for name in numbers if name[0] == group])
        for group in ("Age Distribution", "Sex Distribution")
        if any(name[0] == group for name in numbers)
    ]
    sums += [
        (("records", ""), 1, [name, ("Nulls", name[1])])
        for name in numbers
        if name[0] == "Counts" and ("Nulls", name[1]) in numbers
    ]
    if len(rows) == 1:  # the attacker has written the query so that everybody has as many rows
        sums.append((("records", ""), rows.pop(), ["subjects"]))
    for _ in range(30):
        for total, factor, parts in sums:
            low, high = (factor * sum(bounds[part][end] for part in parts) for end in (0, 1))
            bounds[total] = [max(bounds[total][0], low), min(bounds[total][1], high)]
            for part in parts:
                others = [sum(bounds[other][end] for other in parts if other != part) for end in (0, 1)]
                bounds[part][0] = max(bounds[part][0], -(-bounds[total][0] // factor) - others[1])
                bounds[part][1] = min(bounds[part][1], bounds[total][1] // factor - others[0])
    for low, high in bounds.values():
        assert low <= high
    return [name for name in numbers if bounds[name][0] == bounds[name][1]]


@given(populations, st.sampled_from([5, 10]), st.sampled_from([5, 10, 12]))
def test_no_exact_number_follows_from_the_rounded_ones(
    cohort: list[Person], step: int, threshold: int
) -> None:
    release = DisclosureControl(threshold, step).release(summary(COLUMNS, cohort))
    if release is not None:
        assert pinned(release, cohort, step, threshold) == []
        for number, share in published(release).values():
            each = {share(person) for person in cohort} - {0}
            assert number == rounded(sum(map(share, cohort)), step_of(step, Apiece(min(each), max(each))))


@cache
def records(persons: int, rows: int, step: int) -> int | None:
    """The number of records of so many persons with so many rows each."""
    cohort = people(persons, values="1")
    cohort = [replace(person, rows=person.rows * rows) for person in cohort]
    release = DisclosureControl(THRESHOLD, step).release(summary(COLUMNS[:1], cohort))
    return None if release is None else release.answer.record_count


@given(st.integers(THRESHOLD, 300), st.sampled_from([5, 10]))
def test_rows_that_are_repeated_any_number_of_times_leave_several_numbers_of_persons(
    persons: int, step: int
) -> None:
    def told_of(number: int) -> list[int | None]:
        return [records(number, rows, step) for rows in range(1, 13)]

    likely = range(max(THRESHOLD, persons - step), persons + step)
    assert sum(told_of(number) == told_of(persons) for number in likely) >= 2
