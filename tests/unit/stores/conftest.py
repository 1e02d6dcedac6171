"""What tests of several stores share."""

from __future__ import annotations

import pytest


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts at a request follow each other at once."""

    async def at_once(seconds: float) -> None:
        del seconds

    monkeypatch.setattr("flame_node_agent.stores.s3_failures.asyncio.sleep", at_once)
