"""Which time-outs bound an upload: the caller's own, and silence, but never its length."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from flame_node_agent.errors import HubUnavailable
from tests.unit.hub.servers import Peer, serving
from tests.unit.hub.uploading import MEBIBYTE, Source, stall, stored, upload, with_tokens


async def test_a_deadline_of_the_caller_ends_an_upload(open_hub: Callable[..., object]) -> None:
    async with serving(with_tokens(stall)) as server, open_hub(server.url) as hub:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await upload(hub, Source())


async def test_a_hub_that_stops_reading_is_unavailable_after_the_time_out_of_one_piece(
    open_hub: Callable[..., object],
) -> None:
    async with (
        serving(with_tokens(stall)) as server,
        open_hub(server.url, HTTP__READ_TIMEOUT_SECONDS="0.3") as hub,
    ):
        started = time.monotonic()
        with pytest.raises(HubUnavailable, match="WriteTimeout"):
            await upload(hub, Source())

    assert time.monotonic() - started < 5


async def test_the_time_out_does_not_bound_an_upload_that_moves(open_hub: Callable[..., object]) -> None:
    async def slow(peer: Peer) -> None:
        left = int(peer.headers["content-length"])
        while left:
            await asyncio.sleep(0.01)
            left -= len(await peer.reader.read(min(left, MEBIBYTE)))
        await peer.answer(201, stored(30 * MEBIBYTE))

    async with (
        serving(with_tokens(slow)) as server,
        open_hub(server.url, HTTP__READ_TIMEOUT_SECONDS="1") as hub,
    ):
        started = time.monotonic()
        await upload(hub, Source(30 * MEBIBYTE), 30 * MEBIBYTE)

    assert time.monotonic() - started > 1


async def test_the_hub_may_take_its_time_after_the_last_byte(open_hub: Callable[..., object]) -> None:
    async def thoughtful(peer: Peer) -> None:
        await peer.body(peer.headers)
        await asyncio.sleep(0.6)
        await peer.answer(201, stored(10))

    async with serving(with_tokens(thoughtful)) as server:
        async with open_hub(server.url, HTTP__CONNECT_TIMEOUT_SECONDS="0.5") as hub:
            await upload(hub, Source(10), 10)
        async with open_hub(server.url, HTTP__READ_TIMEOUT_SECONDS="0.2") as hub:
            with pytest.raises(HubUnavailable, match="ReadTimeout"):
                await upload(hub, Source(10), 10)
