"""Streams from the hub on real connections: breaks, silence, early ends."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from collections.abc import Callable

import pytest

from flame_node_agent.errors import HubUnavailable, HubUnexpected
from flame_node_agent.hub.hub import Hub
from tests.unit.hub.servers import Handler, Peer, serving
from tests.unit.hub.uploading import FILE, MEBIBYTE, with_tokens

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
LIMIT = 256 * 1024


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def read(hub: Hub, size: int | None = None) -> int:
    total = 0
    async with hub.storage.stream(FILE, size=size) as chunks:
        async for part in chunks:
            assert len(part) <= LIMIT
            total += len(part)
    return total


async def cut_length(peer: Peer) -> None:
    await peer.send(HEAD + b"Content-Length: 1000000\r\n\r\n" + bytes(500_000))


async def cut_chunked(peer: Peer) -> None:
    await peer.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(bytes(500_000)))


async def cut_gzip(peer: Peer) -> None:
    packed = gzip.compress(bytes(500_000))[:-8]
    await peer.send(HEAD + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(packed))


async def reset(peer: Peer) -> None:
    await peer.send(HEAD + b"Content-Length: 1000000\r\n\r\n" + bytes(500_000))
    await asyncio.sleep(0.05)
    peer.writer.transport.abort()


async def silence(peer: Peer) -> None:
    await peer.send(HEAD + b"Content-Length: 1000000\r\n\r\n" + bytes(500_000))
    await asyncio.sleep(60)


@pytest.mark.parametrize("broken", [cut_length, cut_chunked, cut_gzip, reset, silence])
async def test_a_stream_that_breaks_is_unavailable(open_hub: Callable[..., object], broken: Handler) -> None:
    async with (
        serving(with_tokens(broken)) as server,
        open_hub(server.url, HTTP__READ_TIMEOUT_SECONDS="0.5") as hub,
    ):
        with pytest.raises(HubUnavailable):
            await asyncio.wait_for(read(hub), 10)


async def until_closed(peer: Peer) -> None:
    await peer.send(b"HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n" + bytes(600))


async def in_chunks(peer: Peer) -> None:
    head = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    await peer.send(head + chunk(bytes(600)) + chunk(b""))


@pytest.mark.parametrize("size", [1000, 599, 0])
@pytest.mark.parametrize("ended", [until_closed, in_chunks])
async def test_a_stream_that_ends_well_with_too_little_or_too_much_is_unexpected(
    open_hub: Callable[..., object], ended: Handler, size: int
) -> None:
    async with serving(with_tokens(ended)) as server, open_hub(server.url) as hub:
        assert await read(hub) == await read(hub, 600) == 600
        with pytest.raises(HubUnexpected, match=f"600 of {size} bytes"):
            await read(hub, size)


@pytest.mark.parametrize("packed", [False, True])
async def test_a_large_stream_is_read_in_flat_memory(open_hub: Callable[..., object], packed: bool) -> None:
    size = 64 * MEBIBYTE
    body = gzip.compress(bytes(size), 1)

    async def send(peer: Peer) -> None:
        if packed:
            await peer.send(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        else:
            await peer.send(HEAD + b"Content-Length: %d\r\n\r\n" % size)
            for _ in range(size // MEBIBYTE):
                await peer.send(bytes(MEBIBYTE))
        await peer.closed()

    async with serving(with_tokens(send)) as server, open_hub(server.url) as hub:
        tracemalloc.start()
        try:
            assert await read(hub) == size
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak < 12 * MEBIBYTE


async def test_a_reader_who_leaves_early_closes_the_connection(open_hub: Callable[..., object]) -> None:
    closed = asyncio.Event()

    async def endless(peer: Peer) -> None:
        await peer.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                await peer.send(chunk(bytes(100_000)))
        except ConnectionError:
            closed.set()

    async with serving(with_tokens(endless)) as server, open_hub(server.url) as hub:
        async with hub.storage.stream(FILE) as chunks:
            await anext(chunks)
        await asyncio.wait_for(closed.wait(), 5)


async def test_a_cancelled_reader_closes_the_connection(open_hub: Callable[..., object]) -> None:
    begun, closed = asyncio.Event(), asyncio.Event()

    async def stall(peer: Peer) -> None:
        await peer.send(HEAD + b"Content-Length: 10\r\n\r\n12345")
        begun.set()
        await peer.closed()
        closed.set()

    async with serving(with_tokens(stall)) as server, open_hub(server.url) as hub:
        reading = asyncio.create_task(read(hub))
        await begun.wait()
        await asyncio.sleep(0.05)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await asyncio.wait_for(closed.wait(), 5)
