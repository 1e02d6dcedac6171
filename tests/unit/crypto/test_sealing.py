"""Sealed files: the wire format, both forms, and that nothing damaged is ever opened."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from flame_node_agent.crypto.keys import shared_key
from flame_node_agent.crypto.sealing import (
    CHUNK_BYTES,
    MAXIMUM_PLAINTEXT,
    OVERHEAD_BYTES,
    Probe,
    SealedForm,
    open_sealed,
    seal,
    sealed_size,
)
from flame_node_agent.errors import TooLargeToSeal, Unsealable

NONCE = bytes(range(12))
KEY = bytes(range(32))
PIECE = CHUNK_BYTES - OVERHEAD_BYTES


async def pieces(content: bytes, size: int = 65_536) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def sealed(content: bytes, key: bytes = KEY, nonce: bytes = NONCE) -> bytes:
    return b"".join([chunk async for chunk in seal(pieces(content), key, nonce)])


def chunked(content: bytes) -> bytes:
    """As the Node Storage Service seals: every piece on its own."""
    blobs = []
    for number, start in enumerate(range(0, max(len(content), 1), PIECE)):
        nonce = number.to_bytes(12)
        blobs.append(nonce + AESGCM(KEY).encrypt(nonce, content[start : start + PIECE], None))
    return b"".join(blobs)


def probe(blob: bytes, size: int = 65_536, key: bytes = KEY) -> SealedForm:
    found = Probe(key)
    for start in range(0, len(blob), size):
        found.update(blob[start : start + size])
    return found.finish()


async def opened(blob: bytes, size: int = 65_536) -> bytes:
    form = probe(blob, size)
    return b"".join([chunk async for chunk in open_sealed(pieces(blob, size), KEY, form)])


@pytest.mark.parametrize(
    ("key", "blob"),
    [
        (
            "9e48ddb1f4ee9d9188ab7a964490496e3a8afcc3a7a3347485ada3ce637d8ee8",
            "000102030405060708090a0b4711394cb241eaa8d11df5e70ef008f9c3b0cfdd71",
        ),
        (
            "6f8e9fd00d457333c0c10f8524a3241aa846b06e35a5eb4ae83bbb87dfba0a4b",
            "000102030405060708090a0bc1ab0bf585394ec1fbecfeac395ce499dac40ff694",
        ),
    ],
    ids=["P-256", "P-384"],
)
async def test_known_answers_of_the_node_result_service(key: str, blob: str) -> None:
    assert (await sealed(b"flame", bytes.fromhex(key))).hex() == blob
    assert probe(bytes.fromhex(blob), key=bytes.fromhex(key)) is SealedForm.WHOLE


@pytest.mark.parametrize(
    "size", [0, 1, 996, 997, 5000, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * 2**20 + 7]
)
async def test_what_is_sealed_opens_again_in_both_forms(size: int) -> None:
    content = bytes(i * 7 % 256 for i in range(1000)) * (size // 1000 + 1)
    content = content[:size]
    whole = await sealed(content)
    assert len(whole) == sealed_size(size)
    assert await opened(whole) == content
    pieced = chunked(content)
    assert await opened(pieced) == content
    if size > PIECE:
        assert (probe(whole), probe(pieced)) == (SealedForm.WHOLE, SealedForm.CHUNKED)


async def test_encrypt_for_bob_decrypts_with_his_key_and_differs_from_the_plaintext() -> None:
    """The Node Result Service's own test of its cryptography, with 1024 bytes."""
    alice, bob = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    content = bytes(range(256)) * 4
    blob = await sealed(content, shared_key(alice, bob.public_key()))
    assert content not in blob
    assert AESGCM(shared_key(bob, alice.public_key())).decrypt(blob[:12], blob[12:], None) == content


async def test_sealing_again_with_the_same_nonce_gives_the_same_bytes() -> None:
    assert await sealed(b"x" * 100_000) == await sealed(b"x" * 100_000)


@pytest.mark.parametrize("size", [0, 1, 100, PIECE, PIECE + 1])
async def test_any_damage_is_noticed_before_anything_is_opened(size: int) -> None:
    for blob in (await sealed(b"x" * size), chunked(b"x" * size)):
        for position in {0, 11, 12, len(blob) // 2, len(blob) - 17, len(blob) - 1}:
            damaged = bytearray(blob)
            damaged[position] ^= 1
            with pytest.raises(Unsealable):
                probe(bytes(damaged))


@pytest.mark.parametrize("length", [0, 1, 11, 12, 27])
async def test_what_is_too_short_to_be_sealed_is_refused(length: int) -> None:
    with pytest.raises(Unsealable):
        probe(bytes(length))


async def test_another_key_opens_nothing() -> None:
    blob = await sealed(b"secret" * 1000)
    with pytest.raises(Unsealable):
        probe(blob, key=bytes(32))


async def test_a_truncated_file_is_refused_in_both_forms() -> None:
    content = b"x" * (2 * PIECE + 100)
    for blob in (await sealed(content), chunked(content)):
        with pytest.raises(Unsealable):
            probe(blob[:-1])
    with pytest.raises(Unsealable):
        probe((await sealed(content))[:CHUNK_BYTES])


async def test_bytes_changed_between_the_two_passes_are_noticed() -> None:
    blob = await sealed(b"x" * 1000)
    form = probe(blob)
    changed = blob[:-1] + bytes([blob[-1] ^ 1])
    with pytest.raises(Unsealable):
        _ = [chunk async for chunk in open_sealed(pieces(changed), KEY, form)]


def test_more_than_one_gcm_message_may_hold_is_refused_before_it_is_sealed() -> None:
    assert sealed_size(MAXIMUM_PLAINTEXT) == 2**36 - 32 + 28
    with pytest.raises(TooLargeToSeal):
        sealed_size(MAXIMUM_PLAINTEXT + 1)
