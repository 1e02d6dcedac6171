"""Leases on tasks: kept through an outage of the database, given up when somebody else has the task."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from flame_node_agent.agent.task_leases import TaskLeases
from flame_node_agent.errors import DatabaseUnavailable, LeaseLost


class Rows:
    """The part of the journal that leases are kept in."""

    def __init__(self) -> None:
        self.alive: set[UUID] = set()
        self.away = False
        self.asked: list[list[UUID]] = []

    async def renew(self, tokens: list[UUID]) -> set[UUID]:
        self.asked.append(tokens)
        if self.away:
            raise DatabaseUnavailable("away")
        return self.alive & set(tokens)


async def begin(leases: TaskLeases, token: UUID) -> tuple[asyncio.Task[str], asyncio.Event]:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def work() -> str:
        with leases.hold(token):
            begun.set()
            await gate.wait()
        return "done"

    working = asyncio.create_task(work())
    await begun.wait()
    return working, gate


async def test_what_is_held_is_renewed_and_nothing_else() -> None:
    rows, token = Rows(), uuid4()
    leases = TaskLeases(rows, lease_seconds=21)
    assert leases.renewal_interval == 7
    await leases.renew()
    rows.alive.add(token)
    working, gate = await begin(leases, token)
    await leases.renew()
    gate.set()
    assert await working == "done"
    await leases.renew()
    assert rows.asked == [[token]]


async def test_work_ends_when_somebody_else_has_the_task() -> None:
    rows = Rows()
    leases = TaskLeases(rows, lease_seconds=20)
    ours, theirs = uuid4(), uuid4()
    rows.alive = {ours}
    staying, gate = await begin(leases, ours)
    leaving, _ = await begin(leases, theirs)
    await leases.renew()
    with pytest.raises(LeaseLost):
        await leaving
    gate.set()
    assert await staying == "done"


async def test_work_goes_on_while_the_database_is_away() -> None:
    rows, token = Rows(), uuid4()
    rows.away = True
    leases = TaskLeases(rows, lease_seconds=0.01)
    working, gate = await begin(leases, token)
    for _ in range(5):
        await asyncio.sleep(0.01)
        await leases.renew()
    gate.set()
    assert await working == "done"


async def test_cancelling_work_is_not_losing_its_lease() -> None:
    leases = TaskLeases(Rows(), lease_seconds=20)
    working, _ = await begin(leases, uuid4())
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
