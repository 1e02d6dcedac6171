"""The database's clock was ahead, and has been put right: what was noted by it must not wait for it to return."""

from __future__ import annotations

from uuid import uuid4

from flame_node_agent.stores.uploads import NewUpload, UploadKind
from tests.integration.stores.conftest import Stores


async def test_upload_that_was_postponed_by_a_clock_ahead_is_due(stores: Stores) -> None:
    await _enqueued(stores)
    (upload,) = await stores.outbox.claim(1)
    await stores.outbox.postpone(upload, seconds=30, reason="later")
    await stores.database.execute("UPDATE outbox SET not_before = not_before + interval '12 years'")
    assert [found.upload_id for found in await stores.outbox.claim(1)] == [upload.upload_id]


async def test_lease_of_a_clock_ahead_ends_with_its_agent(stores: Stores) -> None:
    await _enqueued(stores)
    (upload,) = await stores.outbox.claim(1)
    assert await stores.outbox.claim(1) == []
    await stores.database.execute(
        "UPDATE outbox SET lease_expires_at = lease_expires_at + interval '12 years'"
    )
    assert [found.upload_id for found in await stores.outbox.claim(1)] == [upload.upload_id]


async def test_orphan_of_a_clock_ahead_is_removed(stores: Stores) -> None:
    await stores.database.execute(
        "INSERT INTO staged_object (object_key, owner, lease_expires_at)"
        " VALUES ('outbox/orphan', gen_random_uuid(), now() + interval '12 years')"
    )
    assert await stores.staging.sweep() == 1


async def _enqueued(stores: Stores) -> None:
    await stores.outbox.enqueue(
        NewUpload(
            upload_id=uuid4(),
            kind=UploadKind.FINAL,
            analysis_id=uuid4(),
            project_id=None,
            object_key="local/1",
            filename="result.bin",
            content_type="application/octet-stream",
            size=0,
            sha256="",
            bucket=None,
            owns_object=False,
        )
    )
