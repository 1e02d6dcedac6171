"""Keeping leases, and noticing that one was lost."""

from __future__ import annotations

import asyncio
from typing import cast
from uuid import UUID, uuid4

import pytest

from flame_node_agent.agent.leases import Leases
from flame_node_agent.errors import DatabaseUnavailable, LeaseLost
from flame_node_agent.stores.outbox import Outbox
from flame_node_agent.stores.staging import Staging


class Rows:
    """The part of the database that leases are kept in."""

    def __init__(self) -> None:
        self.alive: set[UUID] = set()
        self.away = False
        self.renewals = 0

    async def renew(self, tokens: list[UUID] | None = None) -> set[UUID]:
        if self.away:
            raise DatabaseUnavailable("away")
        self.renewals += 1
        return self.alive & set(tokens or [])


def leases(rows: Rows, seconds: float = 60.0) -> Leases:
    return Leases(cast("Outbox", rows), cast("Staging", rows), lease_seconds=seconds)


async def working(keeper: Leases, token: UUID, begun: asyncio.Event) -> str:
    try:
        with keeper.hold(token):
            begun.set()
            await asyncio.sleep(5)
    except LeaseLost:
        return "lost"
    return "finished"


async def test_work_whose_lease_another_agent_took_is_stopped() -> None:
    rows, token, begun = Rows(), uuid4(), asyncio.Event()
    keeper = leases(rows)
    task = asyncio.create_task(working(keeper, token, begun))
    await begun.wait()
    rows.alive = {token}
    await keeper.renew()
    assert not task.done()
    rows.alive = set()
    await keeper.renew()
    assert await task == "lost"


async def test_a_short_outage_of_the_database_stops_nothing() -> None:
    rows, token, begun = Rows(), uuid4(), asyncio.Event()
    keeper = leases(rows)
    task = asyncio.create_task(working(keeper, token, begun))
    await begun.wait()
    rows.away = True
    await keeper.renew()
    await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_outage_as_long_as_the_lease_stops_the_work() -> None:
    rows, token, begun = Rows(), uuid4(), asyncio.Event()
    keeper = leases(rows, seconds=0.05)
    task = asyncio.create_task(working(keeper, token, begun))
    await begun.wait()
    rows.away = True
    await asyncio.sleep(0.1)
    await keeper.renew()
    assert await task == "lost"


async def test_a_cancelled_task_is_not_taken_for_one_that_lost_its_lease() -> None:
    rows, begun = Rows(), asyncio.Event()
    task = asyncio.create_task(working(leases(rows), uuid4(), begun))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
