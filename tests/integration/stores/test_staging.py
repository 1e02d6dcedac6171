"""Objects that belong to nothing yet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from flame_node_agent.errors import LeaseLost
from flame_node_agent.stores.multipart import MultipartUpload
from flame_node_agent.stores.uploads import NewUpload, UploadKind

from .conftest import Stores


async def content() -> AsyncIterator[bytes]:
    yield b"result"


async def unfinished_upload(stores: Stores, key: str) -> None:
    upload = await MultipartUpload.begin(stores.objects._client, stores.objects._bucket, key, "text/plain")
    await upload.put(1, b"x" * 5 * 1024 * 1024)


def new_upload(key: str) -> NewUpload:
    return NewUpload(
        upload_id=uuid4(),
        kind=UploadKind.FINAL,
        analysis_id=uuid4(),
        project_id=None,
        object_key=key,
        filename="result.bin",
        content_type="application/octet-stream",
        size=6,
        sha256="0" * 64,
        bucket=None,
    )


async def test_a_claimed_object_stays_even_when_the_request_fails_afterwards(stores: Stores) -> None:
    with pytest.raises(RuntimeError):
        async with stores.staging.stage("outbox/1") as staged:
            await staged.store(content())
            await stores.outbox.enqueue(new_upload("outbox/1"))
            raise RuntimeError
    assert await stores.keys() == ["outbox/1"]
    assert await stores.count("staged_object") == 0


async def test_an_unclaimed_object_goes_when_the_request_fails(stores: Stores) -> None:
    with pytest.raises(RuntimeError):
        async with stores.staging.stage("outbox/1") as staged:
            await staged.store(content())
            raise RuntimeError
    assert await stores.keys() == []
    assert await stores.count("staged_object") == 0


async def test_what_a_dead_agent_left_is_swept_by_another(stores: Stores, hasty_stores: Stores) -> None:
    # Entered and never left: the process was killed here, with one object complete and one multipart upload begun.
    dead = hasty_stores.staging
    complete, begun = dead.stage("outbox/complete"), dead.stage("outbox/begun")
    await (await complete.__aenter__()).store(content())
    await begun.__aenter__()
    await unfinished_upload(hasty_stores, "outbox/begun")
    await asyncio.sleep(0.05)

    assert await stores.staging.sweep() == 2
    assert await stores.keys() == []
    assert await stores.objects.abort_unfinished("outbox/begun") == 0
    assert await stores.count("staged_object") == 0


async def test_a_living_agent_is_not_swept(stores: Stores) -> None:
    async with stores.staging.stage("outbox/1") as staged:
        await staged.store(content())
        assert await stores.staging.sweep() == 0
        assert await stores.keys() == ["outbox/1"]
        await stores.outbox.enqueue(new_upload("outbox/1"))


async def test_renewal_keeps_intents_alive(hasty_stores: Stores, stores: Stores) -> None:
    async with hasty_stores.staging.stage("outbox/1"):
        await asyncio.sleep(0.05)
        hasty_stores.staging._lease_seconds = 60
        assert await hasty_stores.staging.renew() == 1
        assert await stores.staging.sweep() == 0


async def test_an_agent_that_slept_cannot_claim_what_was_swept_meanwhile(
    stores: Stores, hasty_stores: Stores
) -> None:
    with pytest.raises(LeaseLost):
        async with hasty_stores.staging.stage("outbox/1") as staged:
            await staged.store(content())
            await asyncio.sleep(0.05)
            assert await stores.staging.sweep() == 1
            await hasty_stores.outbox.enqueue(new_upload("outbox/1"))
    assert await stores.count("outbox") == 0
