"""The hub in the test's own process, with one trust or two."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from flame_node_agent.devstack.hub.profile import PROFILES
from flame_node_agent.devstack.hub.state import Hub
from flame_node_agent.devstack.hub.task_side import TaskOptions
from tests.unit.devhub.trust import SEED, TrustCalls

type OpenHub = Callable[..., Awaitable[TrustCalls]]


@pytest.fixture
async def open_hub(tmp_path: Path) -> AsyncIterator[OpenHub]:
    """``await open_hub(**options)``: a hub whose task side has these options; again: the same hub, restarted."""
    (tmp_path / "hub-seed.json").write_text(json.dumps(SEED))
    async with AsyncExitStack() as stack:
        running: list[Hub] = []

        async def open_one(**options: object) -> TrustCalls:
            if running:
                await running.pop().close()
            hub = await Hub.open(tmp_path, PROFILES["0.13"], 60, TaskOptions(**options))  # type: ignore[arg-type] # names of its fields
            running.append(hub)
            return await stack.enter_async_context(TrustCalls.to(hub))

        yield open_one
        for hub in running:
            await hub.close()


@pytest.fixture
async def calls(open_hub: OpenHub) -> TrustCalls:
    """A hub with everything as usual."""
    return await open_hub()
