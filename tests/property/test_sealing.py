"""Sealing, whatever the content, the key, and the pieces it arrives in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from flame_node_agent.crypto.sealing import Probe, SealedForm, open_sealed, seal
from flame_node_agent.errors import Unsealable

keys = st.binary(min_size=32, max_size=32)
nonces = st.binary(min_size=12, max_size=12)
streams = st.lists(st.binary(max_size=200), max_size=30)


async def iterate(chunks: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def sealed(chunks: list[bytes], key: bytes, nonce: bytes) -> bytes:
    async def collect() -> bytes:
        return b"".join([chunk async for chunk in seal(iterate(chunks), key, nonce)])

    return asyncio.run(collect())


@given(streams, keys, nonces)
def test_sealing_in_pieces_is_aes_gcm_of_the_whole(chunks: list[bytes], key: bytes, nonce: bytes) -> None:
    assert sealed(chunks, key, nonce) == nonce + AESGCM(key).encrypt(nonce, b"".join(chunks), None)


@given(streams, keys, nonces, st.lists(st.integers(1, 300), min_size=1, max_size=20))
def test_opening_does_not_depend_on_how_the_bytes_arrive(
    chunks: list[bytes], key: bytes, nonce: bytes, sizes: list[int]
) -> None:
    blob = sealed(chunks, key, nonce)
    pieces, position, turn = [], 0, 0
    while position < len(blob):
        size = sizes[turn % len(sizes)]
        pieces.append(blob[position : position + size])
        position, turn = position + size, turn + 1
    probe = Probe(key)
    for piece in pieces:
        probe.update(piece)
    form = probe.finish()
    assert form is SealedForm.WHOLE

    async def collect() -> bytes:
        return b"".join([chunk async for chunk in open_sealed(iterate(pieces), key, form)])

    assert asyncio.run(collect()) == b"".join(chunks)


@given(streams, keys, nonces, st.data())
def test_no_changed_byte_and_no_lost_end_goes_unnoticed(
    chunks: list[bytes], key: bytes, nonce: bytes, data: st.DataObject
) -> None:
    blob = sealed(chunks, key, nonce)
    position = data.draw(st.integers(0, len(blob) - 1))
    flipped = (
        blob[:position] + bytes([blob[position] ^ data.draw(st.integers(1, 255))]) + blob[position + 1 :]
    )
    for damaged in (flipped, blob[:position]):
        probe = Probe(key)
        probe.update(damaged)
        try:
            probe.finish()
        except Unsealable:
            continue
        raise AssertionError("damage went unnoticed")
