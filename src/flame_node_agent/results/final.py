"""PUT /final: a final result, accepted as soon as it is safe here, and on its way to the hub from then on."""

from __future__ import annotations

from collections.abc import AsyncIterable
from uuid import UUID, uuid4

import structlog
from fastapi import Request, Response

from flame_node_agent.config.settings import Settings
from flame_node_agent.errors import HubError, Refused, is_retryable
from flame_node_agent.results.auth import Caller
from flame_node_agent.results.form import FilePart, Form
from flame_node_agent.results.identifiers import as_uuid
from flame_node_agent.results.intake import alongside, head_start, store
from flame_node_agent.results.limits import SizeLimit
from flame_node_agent.results.ports import ResultDependencies
from flame_node_agent.stores.objects import StoredObject
from flame_node_agent.stores.uploads import NewUpload, UploadKind
from flame_node_agent.wire.hub import AnalysisBucket, BucketKind

log = structlog.get_logger(__name__)

UPLOAD_ID = "X-Upload-Id"
"""Header of the answer that names the upload, for GET /uploads/{upload_id}."""


class FinalResults:
    """Accepts final results."""

    def __init__(self, deps: ResultDependencies, settings: Settings) -> None:
        self._staging = deps.staging
        self._outbox = deps.outbox
        self._knowledge = deps.knowledge
        self._lookup_seconds = settings.results.lookup_deadline_seconds
        self._size_limit = SizeLimit(settings.results.max_upload_bytes)

    async def put_final(self, request: Request, caller: Caller) -> Response:
        """Upload a file as a final result to the FLAME Hub.

        Returns a 204 as soon as the file is stored safely on this node; it is submitted in the background,
        also when the Hub is away for the moment. The header `X-Upload-Id` names the upload.
        """
        form = Form.of(request, size_limit=self._size_limit)
        async with alongside(self.result_bucket(caller)) as permission:
            file = await form.require_file()
            await head_start(form, permission)
            upload_id = uuid4()
            async with self._staging.stage(object_key(upload_id)) as staged:
                stored, (analysis_id, bucket) = await store(form, file, staged, permission)
                return await self._accept(upload_id, analysis_id, bucket, file, stored)

    async def accept(
        self,
        content: AsyncIterable[bytes],
        file: FilePart,
        analysis_id: UUID,
        bucket: AnalysisBucket | None,
    ) -> Response:
        """Take ``content`` over as the file's, as if it had been uploaded."""
        upload_id = uuid4()
        async with self._staging.stage(object_key(upload_id)) as staged:
            stored = await staged.store(content, file.content_type)
            return await self._accept(upload_id, analysis_id, bucket, file, stored)

    async def result_bucket(self, caller: str) -> tuple[UUID, AnalysisBucket | None]:
        """Find the analysis and its RESULT bucket; no bucket while the hub cannot tell.

        Raises:
            Refused: 404, the hub has no such bucket.
            HubRefused: the hub does not want to tell.
        """
        analysis_id = as_uuid(caller)
        bucket = None
        if analysis_id is not None:
            try:
                bucket = await self._knowledge.bucket_of(analysis_id, BucketKind.RESULT, self._lookup_seconds)
            except HubError as error:
                if not is_retryable(error):
                    raise
                log.warning("final.bucket_unknown", analysis=caller, error=str(error))
                return analysis_id, None
        if analysis_id is None or bucket is None:
            raise Refused(404, f"Result bucket for analysis with ID {caller} was not found")
        return analysis_id, bucket

    async def _accept(
        self,
        upload_id: UUID,
        analysis_id: UUID,
        bucket: AnalysisBucket | None,
        file: FilePart,
        stored: StoredObject,
    ) -> Response:
        await self._outbox.enqueue(
            NewUpload(
                upload_id=upload_id,
                kind=UploadKind.FINAL,
                analysis_id=analysis_id,
                project_id=None,
                object_key=stored.key,
                filename=file.filename,
                content_type=stored.content_type,
                size=stored.size,
                sha256=stored.sha256,
                bucket=bucket,
            )
        )
        log.info("upload.accepted", upload=str(upload_id), analysis=str(analysis_id), size=stored.size)
        log.debug("upload.named", upload=str(upload_id), filename=file.filename)
        # The FLAME Node Result Service sends this content type without content, too.
        return Response(status_code=204, media_type="application/json", headers={UPLOAD_ID: str(upload_id)})


def object_key(upload_id: UUID) -> str:
    """Name the object that holds the bytes of an upload."""
    return f"outbox/{upload_id}"
