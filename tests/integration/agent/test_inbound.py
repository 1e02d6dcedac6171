"""Opening what another node has sealed: nothing leaves unchecked, nothing stays behind."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from flame_node_agent.agent.inbound import KEPT_IN_MEMORY, Inbound
from flame_node_agent.crypto.keys import public_key_hex, shared_key
from flame_node_agent.crypto.sealing import CHUNK_BYTES, OVERHEAD_BYTES
from flame_node_agent.errors import HubUnavailable, HubUnexpected, PeerKeyInvalid, Unsealable
from flame_node_agent.hub.storage import HubStorage
from flame_node_agent.wire.hub import Node
from tests.integration.stores.conftest import Stores
from tests.unit.crypto.test_sealing import sealed

OURS = ec.generate_private_key(ec.SECP256R1())
THEIRS = ec.generate_private_key(ec.SECP256R1())
SENDER = Node(id=uuid4(), public_key_hex=public_key_hex(THEIRS))
LARGE = b"result " * (KEPT_IN_MEMORY // 7 + 100_000)


class Storage(HubStorage):
    """A hub that holds one file, and breaks off after ``breaks_after`` bytes; it says no more than that of lengths."""

    def __init__(self, content: bytes, breaks_after: int | None = None) -> None:
        self._content = content
        self._breaks_after = breaks_after

    def stream(self, file_id: UUID, *, size: int | None = None):  # type: ignore[no-untyped-def]  # as below
        return self._stream(size)

    @asynccontextmanager
    async def _stream(self, size: int | None) -> AsyncIterator[AsyncIterator[bytes]]:
        yield self._pieces(size)

    async def _pieces(self, size: int | None) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), 100_000):
            if self._breaks_after is not None and start >= self._breaks_after:
                raise HubUnavailable("the connection broke")
            yield self._content[start : start + 100_000]
        if size not in {None, len(self._content)}:
            raise HubUnexpected(200, "not as long as the file")


def inbound(stores: Stores, storage: Storage) -> Inbound:
    return Inbound(storage, stores.objects, stores.staging, OURS)


async def sealed_for_us(content: bytes) -> bytes:
    return await sealed(content, shared_key(THEIRS, OURS.public_key()))


@pytest.mark.parametrize("content", [b"", b"small", LARGE], ids=["empty", "small", "large"])
async def test_a_sealed_file_opens_and_leaves_nothing_behind(stores: Stores, content: bytes) -> None:
    storage = Storage(await sealed_for_us(content))
    async with inbound(stores, storage).open(uuid4(), SENDER) as plaintext:
        opened = b"".join([chunk async for chunk in plaintext])
    assert hashlib.sha256(opened).digest() == hashlib.sha256(content).digest()
    assert await stores.keys() == []
    assert await stores.count("staged_object") == 0


@pytest.mark.parametrize("content", [b"small", LARGE], ids=["small", "large"])
async def test_damage_at_the_very_end_is_noticed_before_the_first_byte(
    stores: Stores, content: bytes
) -> None:
    blob = bytearray(await sealed_for_us(content))
    blob[-1] ^= 1
    with pytest.raises(Unsealable):
        async with inbound(stores, Storage(bytes(blob))).open(uuid4(), SENDER):
            pytest.fail("opened although it is damaged")
    assert await stores.keys() == []
    assert await stores.count("staged_object") == 0


@pytest.mark.parametrize("pieces", [1, 5], ids=["small", "large"])
async def test_a_file_in_pieces_that_ends_between_two_of_them_is_not_opened(
    stores: Stores, pieces: int
) -> None:
    """Every piece of it is genuine, and nothing in the form itself shows that the last ones are missing."""
    key = shared_key(THEIRS, OURS.public_key())
    piece = bytes(CHUNK_BYTES - OVERHEAD_BYTES)
    whole = b"".join([await sealed(piece, key) for _ in range(pieces + 1)])
    cut = Storage(whole[: pieces * CHUNK_BYTES])
    with pytest.raises(HubUnexpected):
        async with inbound(stores, cut).open(uuid4(), SENDER, size=len(whole)):
            pytest.fail("opened although its end is missing")
    assert await stores.keys() == []
    assert await stores.count("staged_object") == 0


async def test_a_download_that_breaks_off_leaves_nothing_behind(stores: Stores) -> None:
    storage = Storage(await sealed_for_us(LARGE), breaks_after=KEPT_IN_MEMORY + 200_000)
    with pytest.raises(HubUnavailable):
        async with inbound(stores, storage).open(uuid4(), SENDER):
            pytest.fail("opened although it is incomplete")
    assert await stores.keys() == []
    assert await stores.count("staged_object") == 0


async def test_a_reader_that_leaves_early_leaves_nothing_behind(stores: Stores) -> None:
    storage = Storage(await sealed_for_us(LARGE))
    async with inbound(stores, storage).open(uuid4(), SENDER) as plaintext:
        await anext(plaintext)
    assert await stores.keys() == []
    assert await stores.count("staged_object") == 0


async def test_a_sender_on_another_curve_is_refused(stores: Stores) -> None:
    stranger = Node(id=uuid4(), public_key_hex=public_key_hex(ec.generate_private_key(ec.SECP384R1())))
    with pytest.raises(PeerKeyInvalid):
        async with inbound(stores, Storage(b"")).open(uuid4(), stranger):
            pytest.fail("opened although there can be no shared key")
