"""What all loops over leased rows do alike: claim, work side by side, survive what goes wrong, stop in order."""

from __future__ import annotations

import asyncio

from flame_node_agent.agent.claiming import ClaimingLoop
from flame_node_agent.errors import DatabaseUnavailable

LONG = 60.0


class Rows:
    """Rows to claim, and what becomes of them."""

    def __init__(self, *waiting: str, room: int = 2, failures: tuple[Exception, ...] = ()) -> None:
        self.waiting = list(waiting)
        self.failures = list(failures)
        self.begun: list[str] = []
        self.finished: list[str] = []
        self.handed_back: list[str] = []
        self.may_finish = asyncio.Event()
        self.loop = ClaimingLoop[str](
            "test",
            room=lambda: room - len(self.loop.running),
            claim=self._claim,
            work=self._work,
            hand_back=self._hand_back,
            look_seconds=0.01,
        )

    async def _claim(self, limit: int) -> list[str]:
        if self.failures:
            raise self.failures.pop(0)
        claimed, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return claimed

    async def _work(self, row: str) -> None:
        self.begun.append(row)
        try:
            await self.may_finish.wait()
        except asyncio.CancelledError:
            assert self.loop.stopping
            self.handed_back.append(row)
            raise
        self.finished.append(row)

    async def _hand_back(self, row: str) -> None:
        self.handed_back.append(row)

    async def has_begun(self, *rows: str) -> None:
        async with asyncio.timeout(LONG):
            while self.begun != list(rows):
                await asyncio.sleep(0.001)


async def test_no_more_is_begun_than_there_is_room_for() -> None:
    rows = Rows("a", "b", "c", room=2)
    running = asyncio.create_task(rows.loop.run())
    await rows.has_begun("a", "b")
    assert list(rows.loop.running) == ["a", "b"]
    rows.may_finish.set()
    await rows.has_begun("a", "b", "c")
    await rows.loop.stop(LONG)
    await running
    assert sorted(rows.finished) == ["a", "b", "c"]


async def test_a_database_that_is_away_and_a_defect_end_nothing() -> None:
    rows = Rows("a", failures=(DatabaseUnavailable("away"), RuntimeError("defect")))
    running = asyncio.create_task(rows.loop.run())
    await rows.has_begun("a")
    rows.may_finish.set()
    await rows.loop.stop(LONG)
    await running
    assert rows.finished == ["a"]


async def test_what_does_not_end_within_the_grace_is_handed_back() -> None:
    rows = Rows("a", "b")
    running = asyncio.create_task(rows.loop.run())
    await rows.has_begun("a", "b")
    await rows.loop.stop(0.01)
    await running
    assert rows.handed_back == ["a", "b"]
    assert not rows.loop.running
