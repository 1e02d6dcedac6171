"""The object store against a real S3 server, with the client's known traps."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from flame_node_agent.errors import ObjectNotFound, ObjectStoreUnavailable
from flame_node_agent.stores.multipart import MultipartUpload
from flame_node_agent.stores.objects import PARALLEL_PARTS_IN_ALL
from flame_node_agent.stores.parts import MIB

from .conftest import Stores


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def read(stores: Stores, key: str) -> bytes:
    async with stores.objects.read(key) as reader:
        return b"".join([chunk async for chunk in reader.chunks()])


@pytest.mark.parametrize(
    "size",
    [0, 1, 5 * MIB, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 16 * MIB, 40 * MIB + 3],
    ids=["empty", "byte", "smallest-part", "below-a-part", "a-part", "above-a-part", "two-parts", "many"],
)
async def test_a_stream_of_unknown_length_is_stored_unchanged(stores: Stores, size: int) -> None:
    content = hashlib.shake_128(str(size).encode()).digest(min(size, MIB)) * (size // MIB + 1)
    content = content[:size]
    chunks = [content[i : i + 70_001] for i in range(0, size, 70_001)]
    stored = await stores.objects.put("outbox/a", pieces(*chunks), content_type="text/csv")
    assert (stored.size, stored.sha256) == (size, hashlib.sha256(content).hexdigest())
    assert await read(stores, "outbox/a") == content
    info = await stores.objects.stat("outbox/a")
    assert (info.size, info.content_type) == (size, "text/csv")


@pytest.mark.parametrize("good", [b"x" * 100, b"x" * (9 * MIB), b"x" * (8 * MIB), b"x" * (33 * MIB)])
async def test_a_failing_source_leaves_nothing_behind_and_is_seen_as_itself(
    stores: Stores, good: bytes
) -> None:
    class Gone(Exception):
        pass

    async def failing() -> AsyncIterator[bytes]:
        yield good
        raise Gone

    with pytest.raises(Gone):
        await stores.objects.put("outbox/broken", failing())
    assert await stores.keys() == []
    assert await stores.objects.abort_unfinished("outbox/broken") == 0


async def test_a_cancelled_write_leaves_nothing_behind(stores: Stores) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x" * (20 * MIB)
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(stores.objects.put("outbox/cancelled", endless()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await stores.keys() == []
    assert await stores.objects.abort_unfinished("outbox/cancelled") == 0


async def test_a_multipart_upload_that_a_dead_agent_left_is_found_and_aborted(stores: Stores) -> None:
    upload = await MultipartUpload.begin(
        stores.objects._client, stores.objects._bucket, "outbox/left", "text/plain"
    )
    await upload.put(1, b"x" * (5 * MIB))
    assert await stores.objects.abort_unfinished("outbox/other") == 0
    assert await stores.objects.abort_unfinished("outbox/left") == 1
    assert await stores.objects.abort_unfinished("outbox/left") == 0


async def test_a_missing_object_is_named_as_such(stores: Stores) -> None:
    with pytest.raises(ObjectNotFound):
        await stores.objects.stat("nowhere")
    with pytest.raises(ObjectNotFound):
        await read(stores, "nowhere")
    await stores.objects.delete("nowhere")


async def test_listing_is_recursive_and_by_prefix(stores: Stores) -> None:
    for key in ("local/p/1", "local/p/2", "local/q/1", "outbox/1"):
        await stores.objects.put(key, pieces(b"x"))
    assert sorted(await stores.keys("local/p/")) == ["local/p/1", "local/p/2"]


async def test_a_bucket_that_does_not_exist_is_reported_by_the_check(stores: Stores) -> None:
    await stores.objects.check()
    stores.objects._bucket = "no-such-bucket"
    with pytest.raises(ObjectNotFound):
        await stores.objects.check()


async def test_a_store_that_is_away_is_unavailable_for_every_operation(stores: Stores) -> None:
    stores.objects._client._base_url._url = stores.objects._client._base_url._url._replace(
        netloc="127.0.0.1:1"
    )
    with pytest.raises(ObjectStoreUnavailable):
        await stores.objects.put("a", pieces(b"x"))
    with pytest.raises(ObjectStoreUnavailable):
        await stores.objects.put("a", pieces(b"x" * (17 * MIB)))
    with pytest.raises(ObjectStoreUnavailable):
        await stores.objects.stat("a")
    with pytest.raises(ObjectStoreUnavailable):
        await stores.objects.delete("a")
    with pytest.raises(ObjectStoreUnavailable):
        await stores.objects.check()


async def test_many_small_objects_at_once_do_not_mix(stores: Stores) -> None:
    await asyncio.gather(*(stores.objects.put(f"many/{i}", pieces(str(i).encode())) for i in range(60)))
    assert await asyncio.gather(*(read(stores, f"many/{i}") for i in range(60))) == [
        str(i).encode() for i in range(60)
    ]


async def test_many_large_uploads_at_once_hold_a_bounded_number_of_parts(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_flight, most = 0, 0
    original = MultipartUpload.put

    async def watched(upload: MultipartUpload, number: int, body: bytes) -> None:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        try:
            await original(upload, number, body)
        finally:
            in_flight -= 1

    monkeypatch.setattr(MultipartUpload, "put", watched)
    block = b"x" * MIB
    await asyncio.gather(*(stores.objects.put(f"large/{i}", pieces(*[block] * 16)) for i in range(8)))
    assert in_flight == 0
    assert 3 < most <= PARALLEL_PARTS_IN_ALL
    assert not stores.objects._part_slots.locked()
