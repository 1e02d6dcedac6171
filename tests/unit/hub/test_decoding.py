"""Compressed bodies in bounded memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flame_node_agent.hub.decoding import Garbled, Inflating, blocks


async def body(data: bytes, encoding: str | None, size: int = 1000) -> list[bytes]:
    async def content() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 700):
            yield data[start : start + 700]

    headers = {"Content-Encoding": encoding} if encoding else {}
    response = httpx.Response(200, headers=headers, content=content())
    return [block async for block in blocks(response, size)]


@pytest.mark.parametrize("encoding", [None, "identity", ""])
async def test_plain_bodies_come_in_blocks_of_the_size_asked_for(encoding: str | None) -> None:
    parts = await body(bytes(2500), encoding)

    assert [len(part) for part in parts] == [1000, 1000, 500]


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
async def test_gzip_is_decompressed_without_ever_holding_more_than_a_block(encoding: str) -> None:
    plain = bytes(3_000_000)  # 3 KB compressed: a thousandfold

    parts = await body(gzip.compress(plain), encoding)

    assert b"".join(parts) == plain
    assert max(len(part) for part in parts) <= 1000


async def test_gzip_that_is_cut_off_is_noticed() -> None:
    with pytest.raises(Garbled, match="too early"):
        await body(gzip.compress(b"result" * 1000)[:-4], "gzip")


async def test_damaged_gzip_is_noticed() -> None:
    packed = bytearray(gzip.compress(b"result" * 1000))
    packed[-6] ^= 1  # the checksum

    with pytest.raises(Garbled, match="damaged"):
        await body(bytes(packed), "gzip")


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip"])
async def test_an_encoding_nobody_asked_for_is_refused(encoding: str) -> None:
    with pytest.raises(Garbled, match="not asked for"):
        await body(b"x", encoding)


async def test_an_empty_body_is_empty_in_any_encoding() -> None:
    assert await body(b"", "gzip") == []


@given(
    members=st.lists(st.binary(max_size=3000) | st.integers(0, 5000).map(bytes), min_size=1, max_size=3),
    size=st.integers(1, 400),
    step=st.integers(1, 100),
)
def test_any_gzip_comes_out_whole(members: list[bytes], size: int, step: int) -> None:
    packed = b"".join(map(gzip.compress, members))
    inflating = Inflating(size)

    parts = [
        part for start in range(0, len(packed), step) for part in inflating.feed(packed[start : start + step])
    ]
    inflating.finish()

    assert b"".join(parts) == b"".join(members)
    assert all(0 < len(part) <= size for part in parts)


@given(st.binary(min_size=1, max_size=200))
def test_noise_is_never_more_than_garbled(noise: bytes) -> None:
    inflating = Inflating(100)
    try:
        list(inflating.feed(noise))
        inflating.finish()
    except Garbled:
        return
    assert zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(noise) is not None
