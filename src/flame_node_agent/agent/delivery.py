"""One upload, brought to the hub: the steps from a leased row to a delivered one.

Every step looks at what the row and the hub say before it does anything, so that it can be repeated from wherever the
last attempt stopped:

* bytes are sent under a name that is noted before the first of them leaves; a repeat looks for that name first;
* a name that holds other content is left alone, and the file gets a suffix;
* "the hub has it" is committed together with the row of the egress ledger, at once: what only adorns that row is asked
  for before;
* hubs up to 0.8.21 need the file linked to the analysis, newer ones do that by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from flame_node_agent.agent.knowledge import Knowledge
from flame_node_agent.agent.leftovers import Leftovers
from flame_node_agent.agent.names import hub_names, marked
from flame_node_agent.agent.source import Pace, Sent, Source
from flame_node_agent.crypto.sealing import digest_of
from flame_node_agent.errors import HubError, HubRefused, HubUnavailable, HubUnexpected, NoBucket
from flame_node_agent.hub.answers import CONFLICT, NOT_FOUND
from flame_node_agent.hub.hub import Hub
from flame_node_agent.stores.ledger import Departure
from flame_node_agent.stores.objects import ObjectStore
from flame_node_agent.stores.outbox import Outbox
from flame_node_agent.stores.uploads import Upload, UploadKind, UploadState
from flame_node_agent.telemetry import metrics
from flame_node_agent.wire.hub import AnalysisBucket, BucketFile

log = structlog.get_logger(__name__)

RESOLVE_SECONDS = 30.0
PROJECT_SECONDS = 2.0
LINK_SETTLE_SECONDS = 1.0


class Delivery:
    """Takes leased rows as far as the hub lets them come."""

    def __init__(
        self,
        *,
        hub: Hub,
        objects: ObjectStore,
        outbox: Outbox,
        knowledge: Knowledge,
        private_key: EllipticCurvePrivateKey,
        pace: Pace,
        destination: str,
        settle_seconds: float,
    ) -> None:
        self._hub = hub
        self._objects = objects
        self._outbox = outbox
        self._knowledge = knowledge
        self._private_key = private_key
        self._pace = pace
        self._destination = destination.rstrip("/")
        self._leftovers = Leftovers(hub.storage, outbox, settle_seconds=settle_seconds)

    async def advance(self, upload: Upload) -> AsyncIterator[Upload]:
        """Take an upload through its states, giving the row after every step that was committed.

        Raises:
            HubUnavailable, HubUnexpected, HubCredentialsRefused, ObjectStoreUnavailable, DatabaseUnavailable: later.
            HubRefused, NoBucket, SealingError, ObjectNotFound: never.
            LeaseLost: somebody else's now.
        """
        sent = False
        while True:
            match upload.state:
                case UploadState.UPLOADING if upload.bucket is None:
                    upload = await self._resolve(upload)
                case UploadState.UPLOADING:
                    assert upload.bucket is not None
                    upload, sent = await self._send(upload, upload.bucket)
                case UploadState.UPLOADED:
                    upload = await self._link(upload, sent_just_now=sent)
                case UploadState.RETRACTING:
                    upload = await self._retract(upload)
                case _:
                    return
            yield upload

    def source(self, upload: Upload) -> Source:
        """The bytes an upload sends; PeerKeyInvalid or TooLargeToSeal when that can never be."""
        return Source(upload, self._objects, self._private_key, self._pace)

    async def _resolve(self, upload: Upload) -> Upload:
        bucket = await self._knowledge.bucket_of(upload.analysis_id, upload.kind.bucket, RESOLVE_SECONDS)
        if bucket is None:
            raise NoBucket(f"the hub has no {upload.kind.bucket} bucket for analysis {upload.analysis_id}")
        return await self._outbox.resolve_bucket(upload, bucket)

    async def _send(self, upload: Upload, bucket: AnalysisBucket) -> tuple[Upload, bool]:
        """Bring the file to the hub; also whether that was done now, and not by an earlier attempt."""
        source = self.source(upload)
        project_id = await self._project_of(upload)
        repeated = upload.hub_path is not None
        if repeated or not bucket.links_by_itself:
            # A repeat may find its own file; and a hub that does not link by itself is one that overwrites.
            path, there = await self._look(upload, bucket, source, repeated=repeated)
        else:
            path, there = hub_names(upload)[0], None
        missing = there is None
        if there is None:
            if upload.hub_path != path:
                upload = await self._outbox.begin_upload(upload, path)
                if not bucket.links_by_itself and await self._outbox.is_contended(upload):
                    # Both found the name free, and whoever comes second there overwrites the first.
                    path = marked(upload.filename, upload.upload_id.hex)
                    upload = await self._outbox.begin_upload(upload, path)
            there = await self._post(upload, bucket, path, source, repeated=repeated)
        noted = await self._note_departure(upload, bucket, there, await source.sent(), project_id)
        return noted, missing

    async def _note_departure(
        self, upload: Upload, bucket: AnalysisBucket, file: BucketFile, sent: Sent, project_id: UUID | None
    ) -> Upload:
        """Commit that the hub has the file, together with its row in the egress ledger; asks nobody for anything."""
        departure = Departure(
            upload_id=upload.upload_id,
            analysis_id=upload.analysis_id,
            project_id=project_id,
            kind=upload.kind,
            name=file.path,
            size=upload.size,
            sha256=upload.sha256,
            sent_size=sent.size,
            sent_sha256=sent.sha256,
            destination=f"{self._destination}/buckets/{bucket.storage_bucket_id}/{file.id}",
            sealed_for=upload.recipient.node_id if upload.recipient else None,
        )
        uploaded = await self._outbox.mark_uploaded(upload, file.id, departure)
        metrics.LEDGER_ROWS.inc()
        return uploaded

    async def _project_of(self, upload: Upload) -> UUID | None:
        """The project, for the ledger; a hub that does not tell it now is no reason to hold a file or its row back."""
        if upload.project_id is not None:
            return upload.project_id
        try:
            return await self._knowledge.project_of(upload.analysis_id, PROJECT_SECONDS)
        except HubError as error:
            log.warning("ledger.project_unknown", analysis=str(upload.analysis_id), error=str(error))
            return None

    async def _post(
        self, upload: Upload, bucket: AnalysisBucket, path: str, source: Source, *, repeated: bool
    ) -> BucketFile:
        try:
            return await self._hub.storage.upload(
                bucket.storage_bucket_id, name=path, size=source.size, chunks=source.chunks
            )
        except HubRefused as refusal:
            if refusal.status == NOT_FOUND:
                await self._bucket_moved(upload, bucket, refusal)
            if refusal.status != CONFLICT:
                raise
        free, there = await self._look(upload, bucket, source, unless=path, repeated=repeated)
        if there is not None:
            return there
        upload = await self._outbox.begin_upload(upload, free)
        return await self._hub.storage.upload(
            bucket.storage_bucket_id, name=free, size=source.size, chunks=source.chunks
        )

    async def _bucket_moved(self, upload: Upload, bucket: AnalysisBucket, refusal: HubRefused) -> None:
        """The remembered bucket is gone: ask anew. Another one is worth another attempt; none or the same is final."""
        found = await self._hub.core.find_analysis_bucket(upload.analysis_id, upload.kind.bucket)
        if found is None or found.storage_bucket_id == bucket.storage_bucket_id:
            raise refusal
        await self._knowledge.learn_bucket(found)
        await self._outbox.resolve_bucket(upload, found)
        raise HubUnexpected(NOT_FOUND, "the analysis has a new bucket") from refusal

    async def _look(
        self,
        upload: Upload,
        bucket: AnalysisBucket,
        source: Source,
        *,
        unless: str | None = None,
        repeated: bool,
    ) -> tuple[str, BucketFile | None]:
        """A name that is free, or one under which the hub already has these bytes.

        Another node's file is never taken for one of this node's, whatever is in it. An intermediate result is not
        even taken for another one of this node with the same content, because its reader may remove it; only a file
        under the name that an earlier attempt of this very upload has begun with is its own.
        ``unless`` is a name that the hub has just refused as taken.
        """
        for path in hub_names(upload):
            held = await self._hub.storage.find_file(bucket.storage_bucket_id, path=path)
            if held is None:
                if path == unless:
                    continue  # taken a moment ago, so not free, whatever the listing says
                return path, None
            if self._hub.storage.is_of_another_node(held):
                continue
            if upload.kind is UploadKind.FINAL:
                mine = await self._same(held, source)
            else:
                mine = repeated and path == upload.hub_path and await self._is_mine(upload, held, source)
            if mine:
                return path, held
        raise HubUnexpected(CONFLICT, "every name for this file is taken")

    async def _is_mine(self, upload: Upload, held: BucketFile, source: Source) -> bool:
        """Whether this node's file under the name this upload began with is this upload's: same bytes, no other's."""
        if await self._outbox.is_of_another(upload, held.id):
            return False
        if not await self._same(held, source):
            return False
        if upload.recipient is not None:
            return True  # sealed with a nonce of its own
        rivals = await self._outbox.rivals(upload)
        if UploadState.UPLOADING in rivals:
            raise HubUnavailable("the file may be that of another upload of the same name and content")
        return not rivals

    async def _same(self, held: BucketFile, source: Source) -> bool:
        if held.size is not None and held.size != source.size:
            return False
        sent = await source.sent()
        try:
            async with self._hub.storage.stream(held.id) as chunks:
                return await digest_of(chunks) == (sent.size, sent.sha256)
        except HubRefused as refusal:
            if refusal.status != NOT_FOUND:
                raise
            return False  # a record without bytes, or removed since it was found

    async def _link(self, upload: Upload, *, sent_just_now: bool) -> Upload:
        bucket, file_id = upload.bucket, upload.hub_file_id
        assert bucket is not None
        assert file_id is not None
        if not bucket.links_by_itself and (sent_just_now or not await self._is_linked(bucket, file_id)):
            path = upload.hub_path or upload.filename
            file = BucketFile(
                id=file_id, name=path, path=path, size=upload.size, bucket_id=bucket.storage_bucket_id
            )
            # Such hubs take a second link for another file, and this agent may have slept, or sleep in between.
            await self._hub.core.link(bucket, file, until=await self._outbox.confirm(upload))
        delivered = await self._outbox.mark_delivered(upload)
        metrics.UPLOADS_DELIVERED.labels(upload.kind).inc()
        log.info(
            "upload.delivered",
            upload=str(upload.upload_id),
            analysis=str(upload.analysis_id),
            kind=str(upload.kind),
            size=upload.size,
            attempts=upload.attempts,
            hub_file=str(file_id),
        )
        return delivered

    async def _is_linked(self, bucket: AnalysisBucket, file_id: UUID) -> bool:
        """Whether the analysis shows the file already; what an earlier attempt has asked for may still be under way."""
        if await self._hub.core.find_link(bucket, file_id):
            return True
        await asyncio.sleep(LINK_SETTLE_SECONDS)
        return await self._hub.core.find_link(bucket, file_id)

    async def _retract(self, upload: Upload) -> Upload:
        """Take back what a failed request may have left: the stored object, and the file at the hub."""
        if upload.owns_object:
            await self._objects.delete(upload.object_key)
        if upload.hub_file_id is None and upload.hub_path is not None and upload.bucket is not None:
            project_id = await self._project_of(upload)
            found = await self._leftovers.find(upload, upload.bucket, upload.hub_path)
            if found is not None:
                # It reached the hub although nobody was told: it left this building, so it is in the ledger.
                upload = await self._note_departure(upload, upload.bucket, *found, project_id)
        if upload.hub_file_id is not None:
            await self._hub.storage.delete_file(upload.hub_file_id)
        retracted = await self._outbox.mark_retracted(upload)
        log.info("upload.retracted", upload=str(upload.upload_id), analysis=str(upload.analysis_id))
        return retracted
