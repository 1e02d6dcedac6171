"""The bandwidth cap."""

from __future__ import annotations

import asyncio

from flame_node_agent.agent.source import Pace


async def test_without_a_cap_nothing_waits() -> None:
    pace = Pace(0)
    async with asyncio.timeout(0.5):
        await pace.wait_for(10**12)


async def test_a_cap_holds_for_all_uploads_together() -> None:
    pace = Pace(1_000_000)
    loop = asyncio.get_running_loop()
    began = loop.time()
    # A full second's worth may leave at once; the other 600 kB take 0.6 s more.
    await asyncio.gather(*(pace.wait_for(400_000) for _ in range(4)))
    assert loop.time() - began >= 0.55


async def test_more_than_a_seconds_worth_passes_in_steps() -> None:
    pace = Pace(1_000_000)
    async with asyncio.timeout(5):
        await pace.wait_for(1_200_000)
