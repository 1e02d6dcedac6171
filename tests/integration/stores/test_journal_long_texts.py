"""Long results hold up nothing else of the process while they are written down."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

from flame_node_agent.devstack.postgres import PostgresAccess
from flame_node_agent.wire.tasks import Outcome
from tests.integration.stores.journal_ground import open_journals, task

AT_ONCE = 4
LONGEST_PAUSE_SECONDS = 2.0  # it takes 0.1 s; written as text of an array, it takes 6 s


async def test_the_event_loop_goes_on_while_long_results_are_committed(
    postgres_database: Callable[[], PostgresAccess],
) -> None:
    result = json.dumps([{"name": f'"{number}"'} for number in range(400_000)])
    pauses: list[float] = []

    async def beat() -> None:
        while True:
            begun = time.monotonic()
            await asyncio.sleep(0.01)
            pauses.append(time.monotonic() - begun)

    async with open_journals(postgres_database()) as journals:
        await journals.journal.receive([task() for _ in range(AT_ONCE)])
        runs = await journals.claim()
        beating = asyncio.create_task(beat())
        await asyncio.gather(*(journals.journal.finish(run, Outcome(True, result)) for run in runs))
        beating.cancel()
        assert await journals.column("result") == [result] * AT_ONCE
    assert max(pauses) < LONGEST_PAUSE_SECONDS
