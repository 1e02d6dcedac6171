"""Changes that come at the same time are written together, and each caller is told of its own."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from flame_node_agent.errors import DatabaseUnavailable
from flame_node_agent.stores.group_commit import LARGEST_GROUP, GroupCommit


class Written:
    """A place to write to that can be slow, away, or particular."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.away = False

    async def write(self, items: dict[UUID, str]) -> set[UUID]:
        self.groups.append(list(items.values()))
        await self.gate.wait()
        if self.away:
            raise DatabaseUnavailable("away")
        if "impossible" in items.values():
            raise ValueError("cannot be written")
        return {key for key, item in items.items() if item != "lost"}


async def test_one_change_waits_for_nobody() -> None:
    place = Written()
    assert await GroupCommit(place.write).commit(uuid4(), "one")
    assert place.groups == [["one"]]


async def test_what_comes_during_a_commit_goes_into_the_next() -> None:
    place = Written()
    place.gate.clear()
    group = GroupCommit(place.write)
    first = asyncio.create_task(group.commit(uuid4(), "first"))
    await asyncio.sleep(0.01)
    others = [asyncio.create_task(group.commit(uuid4(), str(n))) for n in range(5)]
    await asyncio.sleep(0.01)
    place.gate.set()
    assert await asyncio.gather(first, *others) == [True] * 6
    assert place.groups == [["first"], ["0", "1", "2", "3", "4"]]


async def test_each_is_told_of_its_own() -> None:
    group = GroupCommit(Written().write)
    answers = await asyncio.gather(*(group.commit(uuid4(), item) for item in ("one", "lost", "two")))
    assert answers == [True, False, True]


async def test_a_database_that_is_away_is_told_to_all() -> None:
    place = Written()
    place.away = True
    group = GroupCommit(place.write)
    answers = await asyncio.gather(*(group.commit(uuid4(), str(n)) for n in range(3)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {DatabaseUnavailable}
    place.away = False
    assert await group.commit(uuid4(), "later")


async def test_one_that_cannot_be_written_does_not_hold_up_the_others() -> None:
    group = GroupCommit(Written().write)
    answers = await asyncio.gather(
        *(group.commit(uuid4(), item) for item in ("one", "impossible", "two")), return_exceptions=True
    )
    assert answers[0] is answers[2] is True
    assert isinstance(answers[1], ValueError)


async def test_no_key_stands_twice_in_a_group_and_no_group_is_too_large() -> None:
    place, key = Written(), uuid4()
    group = GroupCommit(place.write)
    same = [group.commit(key, "a"), group.commit(key, "b")]
    assert await asyncio.gather(*same, *(group.commit(uuid4(), "x") for _ in range(250))) == [True] * 252
    assert [("a" in items, "b" in items) for items in place.groups[:2]] == [(True, False), (False, True)]
    assert max(len(items) for items in place.groups) == LARGEST_GROUP


async def test_a_caller_that_gives_up_leaves_the_others_alone() -> None:
    place = Written()
    place.gate.clear()
    group = GroupCommit(place.write)
    leaving = asyncio.create_task(group.commit(uuid4(), "leaving"))
    staying = asyncio.create_task(group.commit(uuid4(), "staying"))
    await asyncio.sleep(0.01)
    leaving.cancel()
    place.gate.set()
    assert await staying
    with pytest.raises(asyncio.CancelledError):
        await leaving
