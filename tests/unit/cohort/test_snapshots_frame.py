"""Rows that arrive column by column become one table, or none."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Sequence

import pytest

from flame_node_agent.cohort.engine import Row
from flame_node_agent.cohort.row_level_frame import Admission, Membership, frame
from flame_node_agent.cohort.row_level_sql import TOO_LONG
from flame_node_agent.cohort.snapshots import MemberKind, query_hash
from flame_node_agent.errors import Refused, RowsOutOfOrder
from tests.unit.cohort.service_double import PROJECT

PEOPLE = [f"{number}" for number in range(1, 13)]


def rows(people: Sequence[str] = PEOPLE) -> list[Row]:
    subjects: list[Row] = [(0, at, who, None, who) for at, who in enumerate(people, start=1)]
    first: list[Row] = [(1, at, who, None, None) for at, who in enumerate(people, start=1)]
    second: list[Row] = [(2, at, None if at == 1 else '"ä"', None, None) for at in range(1, len(people) + 1)]
    return subjects + first + second


async def table(
    found: list[Row], size: int = 5, threshold: int = 10, membership: Membership | None = None
) -> dict[str, list[object]]:
    async def batches() -> AsyncIterator[Sequence[Row]]:
        for start in range(0, len(found), size):
            yield found[start : start + size]

    admission = Admission(threshold, membership)
    written = b"".join([chunk async for chunk in frame(batches(), ["person_id", "x"], admission)])
    answer: dict[str, list[object]] = json.loads(written)
    return answer


@pytest.mark.parametrize("size", [1, 2, 5, 12, 13, 100])
async def test_table_is_the_same_however_its_rows_arrive(size: int) -> None:
    assert await table(rows(), size) == {"person_id": list(range(1, 13)), "x": [None] + ["ä"] * 11}


@pytest.mark.parametrize("size", [1, 5, 100])
async def test_rows_of_others_are_left_out_of_every_column(size: int) -> None:
    async def among(_: object, kind: MemberKind, ids: Collection[str]) -> frozenset[str]:
        assert kind == "person"
        return frozenset(ids) - {"1", "7"}

    found = await table(rows(), size, membership=Membership(PROJECT, ["person"], among))
    assert found == {"person_id": [2, 3, 4, 5, 6, 8, 9, 10, 11, 12], "x": ["ä"] * 10}


@pytest.mark.parametrize("size", [1, 5, 100])
async def test_value_that_is_too_long_is_never_left_out_silently(size: int) -> None:
    found = rows()
    assert found[-1][:2] == (2, 12)
    found[-1] = (2, 12, None, None, TOO_LONG)
    with pytest.raises(Refused, match="413: The cohort has a value of more than 16384 bytes"):
        await table(found, size)

    async def among(_: object, _kind: MemberKind, ids: Collection[str]) -> frozenset[str]:
        return frozenset(ids) - {"12"}

    of_others = await table(found, size, membership=Membership(PROJECT, ["person"], among))
    assert len(of_others["x"]) == 11


@pytest.mark.parametrize("people", [0, 1, 9])
async def test_too_few_people_are_refused_before_the_first_byte(people: int) -> None:
    with pytest.raises(Refused, match="403: Cohort is too small"):
        await table(rows(PEOPLE[:people]))


async def test_as_many_people_as_the_threshold_are_enough() -> None:
    assert len((await table(rows(PEOPLE[:10])))["x"]) == 10


async def test_many_rows_of_few_people_are_refused() -> None:
    with pytest.raises(Refused):
        await table(rows(["1", "2"] * 20))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda found: found[:-1],
        lambda found: found[:24],
        lambda found: [*found[:12], *found[24:], *found[12:24]],
        lambda found: [*found[:13], found[14], found[13], *found[15:]],
        lambda found: [*found, found[0]],
        lambda found: [*found, (2, 13, "1", None, None)],
        lambda found: [*found[:3], *found[4:]],
    ],
    ids=["row", "column", "columns-swapped", "rows-swapped", "late-subject", "row-too-many", "subject"],
)
async def test_no_table_is_made_of_rows_that_do_not_fit_together(spoil: object) -> None:
    assert callable(spoil)
    with pytest.raises(RowsOutOfOrder):
        await table(spoil(rows()))


@pytest.mark.parametrize(
    ("shown", "given"),
    [
        (("1", "A"), True),
        (("1", None), True),
        ((None, "A"), True),
        (("1", "new"), False),
        (("new", "A"), False),
        ((None, None), False),
    ],
)
async def test_row_belongs_when_every_id_that_it_shows_is_a_members(
    shown: tuple[str | None, str | None], given: bool
) -> None:
    async def among(_: object, __: MemberKind, ids: Collection[str]) -> frozenset[str]:
        return frozenset(ids) & {"1", "A"}

    membership = Membership(PROJECT, ["person", "accession"], among)
    assert await membership.covers([shown]) == [given]


def test_hash_of_a_query_does_not_tell_white_space_and_case() -> None:
    assert query_hash(" SELECT  1\n") == query_hash("select 1")
    assert query_hash("SELECT 1") != query_hash("SELECT 2")
    assert len(query_hash("SELECT 1")) == 64


async def test_table_with_more_rows_than_memory_is_kept_for_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("flame_node_agent.cohort.row_level_frame.MAX_ROWS", 12)
    assert len((await table(rows()))["x"]) == 12
    with pytest.raises(Refused, match="413: The cohort has more than"):
        await table(rows([*PEOPLE, "13"]))
