"""What an upload sends is what was accepted, or nothing that anybody could take for it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from flame_node_agent.agent.source import Pace, Sent, Source
from flame_node_agent.crypto.keys import public_key_hex
from flame_node_agent.errors import ObjectDamaged, ObjectNotFound, PeerKeyInvalid
from flame_node_agent.stores.uploads import Recipient, Upload, UploadKind, UploadState
from tests.integration.stores.conftest import Stores

OURS = ec.generate_private_key(ec.SECP256R1())
THEIRS = ec.generate_private_key(ec.SECP256R1())
CONTENT = b"0123456789" * 400_000
PEER = Recipient(uuid4(), public_key_hex(THEIRS))


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


def upload(recipient: Recipient | None = None) -> Upload:
    now = datetime.now(UTC)
    return Upload(
        upload_id=uuid4(),
        kind=UploadKind.INTERMEDIATE,
        interactive=True,
        analysis_id=uuid4(),
        project_id=None,
        object_key="outbox/1",
        owns_object=True,
        filename="result.bin",
        content_type="application/octet-stream",
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        bucket=None,
        recipient=recipient,
        seal_nonce=bytes(12) if recipient else None,
        hub_path=None,
        hub_file_id=None,
        state=UploadState.UPLOADING,
        attempts=1,
        lease_token=None,
        last_error=None,
        created_at=now,
        finished_at=None,
    )


async def read(source: Source) -> bytes:
    return b"".join([chunk async for chunk in source.chunks()])


@pytest.mark.parametrize("recipient", [None, PEER], ids=["plain", "sealed"])
async def test_every_pass_gives_the_same_bytes_of_the_announced_size(
    stores: Stores, recipient: Recipient | None
) -> None:
    await stores.objects.put("outbox/1", pieces(CONTENT))
    source = Source(upload(recipient), stores.objects, OURS, Pace(0))
    announced = await source.sent()
    first, second = await read(source), await read(source)
    assert first == second
    assert announced == await source.sent() == Sent(len(first), hashlib.sha256(first).hexdigest())
    assert source.size == len(first)
    assert (first == CONTENT) == (recipient is None)


@pytest.mark.parametrize("recipient", [None, PEER], ids=["plain", "sealed"])
@pytest.mark.parametrize("changed", [CONTENT[:-1] + b"x", CONTENT[:-1], CONTENT + b"x", CONTENT * 3, b""])
async def test_an_object_that_was_changed_is_never_sent_whole(
    stores: Stores, recipient: Recipient | None, changed: bytes
) -> None:
    await stores.objects.put("outbox/1", pieces(changed))
    source = Source(upload(recipient), stores.objects, OURS, Pace(0))
    sent = bytearray()
    with pytest.raises(ObjectDamaged):
        async for chunk in source.chunks():
            sent += chunk
    assert len(sent) < source.size


async def test_an_object_that_is_gone_is_said_to_be_gone(stores: Stores) -> None:
    with pytest.raises(ObjectNotFound):
        await read(Source(upload(), stores.objects, OURS, Pace(0)))


def test_a_recipient_whose_key_is_of_no_use_is_refused_before_anything_is_read(stores: Stores) -> None:
    with pytest.raises(PeerKeyInvalid):
        Source(upload(Recipient(uuid4(), "00")), stores.objects, OURS, Pace(0))
