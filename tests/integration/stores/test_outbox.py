"""The outbox table: leases, fencing, and the way of an upload through its states."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest

from flame_node_agent.errors import LeaseLost
from flame_node_agent.stores.database import Connection
from flame_node_agent.stores.ledger import Departure, Ledger
from flame_node_agent.stores.retention import Retention
from flame_node_agent.stores.uploads import NewUpload, Recipient, Upload, UploadState
from flame_node_agent.wire.hub import AnalysisBucket, BucketKind

from .conftest import Stores
from .test_staging import content, new_upload


async def stored(stores: Stores, key: str | None = None) -> NewUpload:
    new = new_upload(key or f"outbox/{uuid4()}")
    async with stores.staging.stage(new.object_key) as staged:
        await staged.store(content())
        await stores.outbox.enqueue(new)
    return new


def departure(upload: Upload) -> Departure:
    return Departure(
        upload_id=upload.upload_id,
        analysis_id=upload.analysis_id,
        project_id=upload.project_id,
        kind=upload.kind,
        name=upload.filename,
        size=upload.size,
        sha256=upload.sha256,
        sent_size=upload.size,
        sent_sha256=upload.sha256,
        destination="http://hub/buckets/1",
        sealed_for=None,
    )


async def lapse(stores: Stores, upload: Upload) -> None:
    await stores.database.execute(
        "UPDATE outbox SET lease_expires_at = now() - interval '1 second' WHERE upload_id = %(id)s",
        {"id": upload.upload_id},
    )


async def test_an_upload_is_claimed_by_one_agent_only(stores: Stores) -> None:
    for _ in range(20):
        await stored(stores)
    claims = await asyncio.gather(*(stores.outbox.claim(7) for _ in range(5)))
    claimed = [upload.upload_id for claim in claims for upload in claim]
    assert len(claimed) == len(set(claimed)) == 20
    assert await stores.outbox.claim(1) == []


async def test_a_lease_that_is_just_being_given_back_is_not_lost(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its work would be stopped between the commit and the answer, and would tell nobody of the delivery."""
    await stored(stores)
    (upload,) = await stores.outbox.claim(1)
    assert upload.lease_token is not None
    committed, answered = asyncio.Event(), asyncio.Event()
    run = stores.database.run

    async def slow(operation: Callable[[Connection], Awaitable[Upload]]) -> Upload:
        changed = await run(operation)
        committed.set()
        await answered.wait()
        return changed

    monkeypatch.setattr(stores.database, "run", slow)
    ending = asyncio.create_task(stores.outbox.mark_delivered(upload))
    await committed.wait()
    assert await stores.outbox.renew([upload.lease_token]) == {upload.lease_token}
    answered.set()
    assert (await ending).state is UploadState.DELIVERED
    assert await stores.outbox.renew([upload.lease_token]) == set()


async def test_enqueueing_the_same_upload_twice_makes_one_row(stores: Stores) -> None:
    new = await stored(stores)
    assert await stores.outbox.enqueue(new) == new.upload_id
    assert await stores.count("outbox") == 1


async def test_the_way_to_delivered_leaves_one_ledger_row(stores: Stores) -> None:
    await stored(stores)
    (upload,) = await stores.outbox.claim(1)
    assert (upload.state, upload.attempts) == (UploadState.UPLOADING, 1)
    bucket = AnalysisBucket(
        id=uuid4(),
        analysis_id=upload.analysis_id,
        kind=BucketKind.RESULT,
        storage_bucket_id=uuid4(),
        links_by_itself=False,
    )
    upload = await stores.outbox.resolve_bucket(upload, bucket)
    assert upload.bucket == bucket
    upload = await stores.outbox.begin_upload(upload, "result.bin")
    file_id = uuid4()
    upload = await stores.outbox.mark_uploaded(upload, file_id, departure(upload))
    assert (upload.state, upload.hub_file_id) == (UploadState.UPLOADED, file_id)
    # The same again, as after a lost answer, changes nothing.
    upload = await stores.outbox.mark_uploaded(upload, file_id, departure(upload))
    upload = await stores.outbox.mark_delivered(upload)
    assert (upload.state, upload.lease_token) == (UploadState.DELIVERED, None)
    assert (await Ledger(stores.database).verify()).rows == 1
    assert await stores.outbox.claim(1) == []


async def test_an_agent_that_lost_its_lease_changes_nothing(stores: Stores) -> None:
    await stored(stores)
    (sleeper,) = await stores.outbox.claim(1)
    await lapse(stores, sleeper)
    (other,) = await stores.outbox.claim(1)
    assert other.upload_id == sleeper.upload_id
    for change in (
        stores.outbox.begin_upload(sleeper, "x"),
        stores.outbox.mark_uploaded(sleeper, uuid4(), departure(sleeper)),
        stores.outbox.mark_delivered(sleeper),
        stores.outbox.mark_failed(sleeper, "no"),
        stores.outbox.postpone(sleeper, seconds=0, reason="no"),
    ):
        with pytest.raises(LeaseLost):
            await change
    assert (await Ledger(stores.database).verify()).rows == 0
    assert await stores.outbox.renew([sleeper.lease_token or UUID(int=0)]) == set()
    assert await stores.outbox.renew([other.lease_token or UUID(int=0)]) == {other.lease_token}


async def test_a_postponed_upload_is_due_again_later(stores: Stores) -> None:
    await stored(stores)
    (upload,) = await stores.outbox.claim(1)
    await stores.outbox.postpone(upload, seconds=60, reason="hub away")
    assert await stores.outbox.claim(1) == []
    await stores.database.execute("UPDATE outbox SET not_before = not_before - interval '60 s'")
    (again,) = await stores.outbox.claim(1)
    assert (again.attempts, again.last_error) == (2, "hub away")


async def test_a_handed_back_upload_is_due_at_once_and_no_attempt_was_made(stores: Stores) -> None:
    await stored(stores)
    (upload,) = await stores.outbox.claim(1)
    await stores.outbox.hand_back(upload)
    (again,) = await stores.outbox.claim(1)
    assert again.attempts == 1


async def test_a_request_that_died_is_claimed_to_be_retracted(stores: Stores) -> None:
    new = new_upload("outbox/interactive")
    async with stores.staging.stage(new.object_key) as staged:
        await staged.store(content())
        upload = await stores.outbox.begin(new, Recipient(uuid4(), "00"))
    assert upload.seal_nonce is not None
    assert len(upload.seal_nonce) == 12
    assert await stores.outbox.claim(1) == [], "a request that lives is left alone"
    await lapse(stores, upload)
    (claimed,) = await stores.outbox.claim(1)
    assert claimed.state is UploadState.RETRACTING
    await stores.outbox.mark_retracted(claimed)
    assert await stores.outbox.claim(1) == []


async def test_a_failed_upload_stays_until_the_operator_replays_it(stores: Stores) -> None:
    new = await stored(stores)
    (upload,) = await stores.outbox.claim(1)
    await stores.outbox.mark_failed(upload, "403 permission_denied")
    retention = Retention(stores.database)
    assert await retention.expired(days=0) == []
    assert [row.upload_id for row in await retention.listing(UploadState.FAILED, 10)] == [new.upload_id]
    assert await retention.replay(new.upload_id)
    assert not await retention.replay(uuid4())
    (again,) = await stores.outbox.claim(1)
    assert again.state is UploadState.UPLOADING


async def test_depth_counts_states_and_the_age_of_the_oldest_open_upload(stores: Stores) -> None:
    await stored(stores)
    new = await stored(stores)
    await stores.database.execute(
        "UPDATE outbox SET created_at = now() - interval '90 seconds' WHERE upload_id = %(id)s",
        {"id": new.upload_id},
    )
    depth = await Retention(stores.database).depth()
    assert depth.by_state[UploadState.WAITING] == 2
    assert 89 < depth.oldest_seconds < 120
