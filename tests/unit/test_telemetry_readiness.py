"""Whoever asks whether a process is ready is answered in time."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from flame_node_agent.errors import DatabaseUnavailable
from flame_node_agent.telemetry import readiness as module
from flame_node_agent.telemetry.readiness import Readiness


async def test_a_check_that_does_not_even_end_when_it_is_given_up_holds_up_no_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.05)
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()
        raise DatabaseUnavailable("too late")

    readiness = Readiness({"database": stubborn})
    begun = time.monotonic()
    async with asyncio.timeout(10):
        assert await readiness.check() == {"database": "no answer within 0.05 s"}
    assert time.monotonic() - begun < 5
    release.set()


async def test_each_need_that_is_away_is_named_with_its_reason() -> None:
    async def away() -> None:
        raise DatabaseUnavailable("no connection to PostgreSQL")

    async def there() -> None:
        pass

    assert await Readiness({"database": away, "other": there}).check() == {
        "database": "no connection to PostgreSQL"
    }
