"""Files on their way to the hub: the table behind the promise that nothing acknowledged is lost.

    waiting ──claim──> uploading ──hub has it──> uploaded ──linked──> delivered
       ^                  │  │                       │
       └──retry later─────┘  └──────final no─────────┴────────────> failed ──operator──> waiting

Rows of a request that is still waiting for its answer ("interactive") are never retried behind its back: when the
request fails, or its agent dies, they go the other way and what reached the hub is taken back:

    uploading | uploaded ──> retracting ──> retracted

A row in work carries a lease: a token that is new at every claim, and a time. Every change names the token, so an
agent that lost its lease while it slept changes nothing (a fencing token).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from uuid import UUID, uuid4

from flame_node_agent.crypto.sealing import NONCE_BYTES
from flame_node_agent.errors import LeaseLost
from flame_node_agent.stores.database import Connection, Database
from flame_node_agent.stores.ledger import Departure, append
from flame_node_agent.stores.uploads import NewUpload, Recipient, Upload, UploadState, upload_of
from flame_node_agent.wire.hub import AnalysisBucket

LONGEST_PAUSE_SECONDS = 86_400.0
# No pause and no lease is that long: such a time is from before the database's clock was put back.
NEVER_AGREED = f"make_interval(secs => {LONGEST_PAUSE_SECONDS} + 2 * %(lease)s)"


class Outbox:
    """Reads and changes rows; knows nothing of the hub."""

    def __init__(
        self,
        database: Database,
        *,
        owner: UUID,
        lease_seconds: float,
        on_enqueued: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._on_enqueued = on_enqueued
        self._ending: set[UUID] = set()
        """Leases that are just being given back."""

    async def enqueue(self, new: NewUpload) -> UUID:
        """Commit a stored object for delivery. From here on it will arrive, whatever happens.

        Raises:
            LeaseLost: the object was already given up as an orphan. DatabaseUnavailable.
        """
        await self._insert(new, UploadState.WAITING, interactive=False)
        self._on_enqueued()
        return new.upload_id

    async def begin(self, new: NewUpload, recipient: Recipient | None) -> Upload:
        """Commit a row that its request delivers itself, leased from the first moment."""
        return await self._insert(
            new, UploadState.UPLOADING, interactive=True, recipient=recipient, lease_token=uuid4()
        )

    async def _insert(
        self,
        new: NewUpload,
        state: UploadState,
        *,
        interactive: bool,
        recipient: Recipient | None = None,
        lease_token: UUID | None = None,
    ) -> Upload:
        bucket = new.bucket
        rows = await self._database.execute(
            _INSERT_CLAIMING if new.owns_object else _INSERT,
            {
                "owner": self._owner,
                "upload_id": new.upload_id,
                "kind": new.kind,
                "interactive": interactive,
                "analysis_id": new.analysis_id,
                "project_id": new.project_id,
                "object_key": new.object_key,
                "owns_object": new.owns_object,
                "filename": new.filename,
                "content_type": new.content_type,
                "size": new.size,
                "sha256": new.sha256,
                "bucket_id": bucket.id if bucket else None,
                "storage_bucket_id": bucket.storage_bucket_id if bucket else None,
                "links_by_itself": bucket.links_by_itself if bucket else None,
                "recipient_node_id": recipient.node_id if recipient else None,
                "recipient_public_key": recipient.public_key_hex if recipient else None,
                "seal_nonce": os.urandom(NONCE_BYTES) if recipient else None,
                "state": state,
                "lease_token": lease_token,
                "lease": self._lease_seconds,
            },
        )
        if rows:
            return upload_of(rows[0])
        # Nothing inserted: either the first try was committed and only its answer was lost, or the object is gone.
        known = await self.find(new.upload_id)
        if known is None:
            raise LeaseLost(new.object_key)
        return known

    async def find(self, upload_id: UUID) -> Upload | None:
        """One row by its id."""
        rows = await self._database.execute(
            "SELECT * FROM outbox WHERE upload_id = %(upload_id)s", {"upload_id": upload_id}
        )
        return upload_of(rows[0]) if rows else None

    async def claim(self, limit: int) -> list[Upload]:
        """Lease up to ``limit`` due rows that no living agent holds, oldest first.

        An interactive row whose lease has lapsed lost its request: it is claimed to be retracted.
        """
        rows = await self._database.execute(
            "UPDATE outbox SET lease_token = gen_random_uuid(), attempts = attempts + 1,"
            " lease_expires_at = now() + make_interval(secs => %(lease)s),"
            " state = CASE WHEN interactive THEN 'retracting' WHEN state = 'waiting' THEN 'uploading'"
            " ELSE state END,"
            " abandoned_at = CASE WHEN interactive THEN COALESCE(abandoned_at, now()) END"
            " WHERE upload_id IN (SELECT upload_id FROM outbox"
            " WHERE state IN ('waiting', 'uploading', 'uploaded', 'retracting')"
            f" AND (not_before <= now() OR not_before > now() + {NEVER_AGREED})"
            " AND (lease_expires_at IS NULL OR lease_expires_at < now()"
            f" OR lease_expires_at > now() + {NEVER_AGREED})"
            " ORDER BY not_before LIMIT %(limit)s FOR UPDATE SKIP LOCKED) RETURNING *",
            {"lease": self._lease_seconds, "limit": limit},
        )
        return sorted((upload_of(row) for row in rows), key=lambda upload: upload.created_at)

    async def renew(self, tokens: list[UUID]) -> set[UUID]:
        """Prolong leases and name those that are still held, or just being given back."""
        rows = await self._database.execute(
            "UPDATE outbox SET lease_expires_at = now() + make_interval(secs => %(lease)s)"
            " WHERE lease_token = ANY(%(tokens)s) RETURNING lease_token",
            {"lease": self._lease_seconds, "tokens": tokens},
        )
        return {row["lease_token"] for row in rows} | self._ending.intersection(tokens)

    async def confirm(self, upload: Upload) -> float:
        """Make sure that the lease is still held, before something that must not be done twice.

        Returns the moment of the monotonic clock until which it is held for certain. LeaseLost.
        """
        began = time.monotonic()
        if upload.lease_token is None or not await self.renew([upload.lease_token]):
            raise LeaseLost(str(upload.upload_id))
        return began + self._lease_seconds

    async def resolve_bucket(self, upload: Upload, bucket: AnalysisBucket) -> Upload:
        """Note where the file goes, once the hub has said so."""
        return await self._change(
            upload,
            "bucket_id = %(bucket_id)s, storage_bucket_id = %(storage_bucket_id)s,"
            " links_by_itself = %(links_by_itself)s",
            {
                "bucket_id": bucket.id,
                "storage_bucket_id": bucket.storage_bucket_id,
                "links_by_itself": bucket.links_by_itself,
            },
        )

    async def begin_upload(self, upload: Upload, hub_path: str) -> Upload:
        """Note the name the bytes are sent under, before the first of them leaves."""
        return await self._change(upload, "hub_path = %(hub_path)s", {"hub_path": hub_path})

    async def mark_uploaded(self, upload: Upload, hub_file_id: UUID, departure: Departure) -> Upload:
        """The hub has the file: note its id, and enter it in the egress ledger in the same transaction."""

        async def write(connection: Connection) -> Upload:
            changed = await _change(
                connection,
                upload,
                "state = CASE WHEN state = 'retracting' THEN state ELSE 'uploaded' END,"
                " hub_file_id = %(hub_file_id)s",
                {"hub_file_id": hub_file_id},
            )
            await append(connection, departure)
            return changed

        return await self._database.run(write)

    async def mark_delivered(self, upload: Upload) -> Upload:
        """The hub has the file and the analysis shows it: the end."""
        return await self._finish(upload, UploadState.DELIVERED, None)

    async def mark_failed(self, upload: Upload, reason: str) -> Upload:
        """A final no: parked until the operator decides."""
        return await self._finish(upload, UploadState.FAILED, reason)

    async def mark_retracted(self, upload: Upload) -> Upload:
        """Nothing of an unanswered request is left at the hub."""
        return await self._finish(upload, UploadState.RETRACTED, upload.last_error)

    async def _finish(self, upload: Upload, state: UploadState, reason: str | None) -> Upload:
        return await self._give_back(
            upload,
            "state = %(state)s, last_error = %(reason)s, finished_at = now()",
            {"state": state, "reason": reason},
        )

    async def postpone(self, upload: Upload, *, seconds: float, reason: str) -> Upload:
        """Give the lease back and try again after ``seconds``."""
        return await self._give_back(
            upload,
            "not_before = now() + make_interval(secs => %(seconds)s), last_error = %(reason)s,"
            " state = CASE WHEN state = 'uploading' THEN 'waiting' ELSE state END",
            {"seconds": min(seconds, LONGEST_PAUSE_SECONDS), "reason": reason},
        )

    async def hand_back(self, upload: Upload) -> None:
        """Give the lease back without counting an attempt: this agent is stopping."""
        await self._give_back(
            upload,
            "not_before = now(), attempts = GREATEST(attempts - 1, 0),"
            " state = CASE WHEN interactive THEN 'retracting' WHEN state = 'uploading' THEN 'waiting'"
            " ELSE state END, abandoned_at = CASE WHEN interactive THEN COALESCE(abandoned_at, now()) END",
            {},
        )

    async def retract(self, upload: Upload, reason: str) -> None:
        """The request behind this row has failed: let the worker take back what reached the hub."""
        await self._give_back(
            upload,
            "state = 'retracting', not_before = now(), abandoned_at = now(), last_error = %(reason)s",
            {"reason": reason},
        )

    async def is_of_another(self, upload: Upload, hub_file_id: UUID) -> bool:
        """Whether another upload has brought this very file to the hub."""
        rows = await self._database.execute(
            "SELECT 1 FROM outbox WHERE hub_file_id = %(file)s AND upload_id <> %(upload)s LIMIT 1",
            {"file": hub_file_id, "upload": upload.upload_id},
        )
        return bool(rows)

    async def is_contended(self, upload: Upload) -> bool:
        """Whether another upload may be on its way to the same bucket under the same name.

        Each notes its name before it asks, so of two that do so at the same time, at least one sees the other.
        """
        assert upload.bucket is not None
        rows = await self._database.execute(
            "SELECT 1 FROM outbox WHERE state IN ('waiting', 'uploading', 'retracting')"
            " AND hub_path = %(path)s AND storage_bucket_id = %(bucket)s AND hub_file_id IS NULL"
            " AND upload_id <> %(upload)s LIMIT 1",
            {
                "path": upload.hub_path,
                "bucket": upload.bucket.storage_bucket_id,
                "upload": upload.upload_id,
            },
        )
        return bool(rows)

    async def rivals(self, upload: Upload) -> set[UploadState]:
        """States of other unfinished uploads that have begun under the same name, and may or may not have arrived."""
        assert upload.bucket is not None
        rows = await self._database.execute(
            "SELECT DISTINCT state FROM outbox WHERE state IN ('uploading', 'retracting')"
            " AND hub_path = %(path)s AND storage_bucket_id = %(bucket)s AND hub_file_id IS NULL"
            " AND upload_id <> %(upload)s",
            {
                "path": upload.hub_path,
                "bucket": upload.bucket.storage_bucket_id,
                "upload": upload.upload_id,
            },
        )
        return {UploadState(row["state"]) for row in rows}

    async def abandoned_for(self, upload: Upload) -> float:
        """Seconds since nobody waits for an upload any more; 0 when somebody does. By the database's clock."""
        rows = await self._database.execute(
            "SELECT extract(epoch FROM now() - abandoned_at)::float AS seconds FROM outbox"
            " WHERE upload_id = %(upload)s AND abandoned_at IS NOT NULL",
            {"upload": upload.upload_id},
        )
        return float(rows[0]["seconds"]) if rows else 0.0

    async def _give_back(self, upload: Upload, assignments: str, values: dict[str, object]) -> Upload:
        """Change a row and end its lease, which a renewal at the same time must not take for lost.

        Between the commit and its answer the database does not know the lease any more, though nobody else has it.
        """
        assert upload.lease_token is not None
        self._ending.add(upload.lease_token)
        try:
            return await self._change(
                upload, f"{assignments}, lease_token = NULL, lease_expires_at = NULL", values
            )
        finally:
            self._ending.discard(upload.lease_token)

    async def _change(self, upload: Upload, assignments: str, values: dict[str, object]) -> Upload:
        async def write(connection: Connection) -> Upload:
            return await _change(connection, upload, assignments, values)

        return await self._database.run(write)


async def _change(
    connection: Connection, upload: Upload, assignments: str, values: dict[str, object]
) -> Upload:
    """Change a row that is still leased by ``upload``'s token.

    The first of two tries of the same change may have committed and given the lease back, with its answer lost; the
    second then finds no lease, which is the same as having lost it: the row's own state says what to do next.
    """
    cursor = await connection.execute(
        f"UPDATE outbox SET {assignments}"
        " WHERE upload_id = %(upload_id)s AND lease_token = %(lease_token)s RETURNING *".encode(),
        {**values, "upload_id": upload.upload_id, "lease_token": upload.lease_token},
    )
    row = await cursor.fetchone()
    if row is None:
        raise LeaseLost(str(upload.upload_id))
    return upload_of(row)


_COLUMNS = (
    "upload_id, kind, interactive, analysis_id, project_id, object_key, owns_object, filename, content_type, size,"
    " sha256, bucket_id, storage_bucket_id, links_by_itself, recipient_node_id, recipient_public_key, seal_nonce,"
    " state, lease_token, lease_expires_at"
)
_VALUES = (
    "%(upload_id)s, %(kind)s, %(interactive)s, %(analysis_id)s, %(project_id)s::uuid, %(object_key)s,"
    " %(owns_object)s, %(filename)s, %(content_type)s, %(size)s, %(sha256)s, %(bucket_id)s::uuid,"
    " %(storage_bucket_id)s::uuid, %(links_by_itself)s::boolean, %(recipient_node_id)s::uuid,"
    " %(recipient_public_key)s::text, %(seal_nonce)s::bytea, %(state)s, %(lease_token)s::uuid,"
    " CASE WHEN %(lease_token)s::uuid IS NULL THEN NULL ELSE now() + make_interval(secs => %(lease)s) END"
)
_INSERT = f"INSERT INTO outbox ({_COLUMNS}) SELECT {_VALUES} ON CONFLICT (upload_id) DO NOTHING RETURNING *"
_INSERT_CLAIMING = (
    "WITH claimed AS (DELETE FROM staged_object WHERE object_key = %(object_key)s AND owner = %(owner)s"
    f" RETURNING 1) INSERT INTO outbox ({_COLUMNS}) SELECT {_VALUES} FROM claimed"
    " ON CONFLICT (upload_id) DO NOTHING RETURNING *"
)
