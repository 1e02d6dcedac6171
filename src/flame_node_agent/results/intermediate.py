"""PUT and GET /intermediate: results that other nodes fetch from the hub, sealed for one of them if asked."""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Query, Request

from flame_node_agent.config.settings import Settings
from flame_node_agent.errors import HubRefused, PeerKeyInvalid, Refused, Unsealable
from flame_node_agent.hub.retry import with_retries
from flame_node_agent.results.auth import Caller
from flame_node_agent.results.download import Download, download
from flame_node_agent.results.final import object_key
from flame_node_agent.results.form import Form
from flame_node_agent.results.identifiers import as_uuid
from flame_node_agent.results.intake import alongside, head_start, store
from flame_node_agent.results.limits import SizeLimit
from flame_node_agent.results.ports import ResultDependencies
from flame_node_agent.results.remote_nodes import RemoteNodes, key_refused
from flame_node_agent.results.urls import intermediate_url
from flame_node_agent.stores.uploads import NewUpload, UploadKind
from flame_node_agent.wire.hub import AnalysisBucket, BucketFile, BucketKind
from flame_node_agent.wire.results import IntermediateUploadResponse


class IntermediateResults:
    """Sends intermediate results while the analysis waits, and fetches those of others."""

    def __init__(self, deps: ResultDependencies, settings: Settings) -> None:
        self._staging = deps.staging
        self._knowledge = deps.knowledge
        self._delivery = deps.delivery
        self._storage = deps.storage
        self._inbound = deps.inbound
        self._lookup_seconds = settings.results.lookup_deadline_seconds
        self._delivery_seconds = settings.results.intermediate_deadline_seconds
        self._nodes = RemoteNodes(deps.core, deadline=self._lookup_seconds)
        self._size_limit = SizeLimit(settings.results.max_upload_bytes)

    async def put_intermediate(self, request: Request, caller: Caller) -> IntermediateUploadResponse:
        """Upload a file as an intermediate result to the FLAME Hub.

        Returns a 200 on success. This endpoint uploads the file and returns a link with which it can be
        retrieved. With `remote_node_id` the file is encrypted for that node.
        """
        form = Form.of(request, fields=("remote_node_id",), size_limit=self._size_limit)
        async with alongside(self.temp_bucket(caller)) as permission:
            file = await form.require_file()
            await head_start(form, permission)
            upload_id = uuid4()
            async with self._staging.stage(object_key(upload_id)) as staged:
                stored, bucket = await store(form, file, staged, permission)
                object_id = await self.send(
                    NewUpload(
                        upload_id=upload_id,
                        kind=UploadKind.INTERMEDIATE,
                        analysis_id=bucket.analysis_id,
                        project_id=None,
                        object_key=stored.key,
                        filename=file.filename,
                        content_type=stored.content_type,
                        size=stored.size,
                        sha256=stored.sha256,
                        bucket=bucket,
                    ),
                    form.fields.get("remote_node_id"),
                )
        return IntermediateUploadResponse(url=intermediate_url(request, object_id), object_id=object_id)

    async def get_intermediate(
        self,
        object_id: UUID,
        _caller: Caller,
        node_id: Annotated[
            str | None, Query(description="Node that has encrypted the file for this one")
        ] = None,
        remote_node_id: Annotated[str | None, Query(description="The same as `node_id`")] = None,
    ) -> Download:
        """Get an intermediate result as file from the FLAME Hub.

        With `node_id` the file is decrypted, once the whole of it has proved authentic.
        """
        held = await with_retries(
            lambda: self._storage.get_file(object_id), deadline=self._lookup_seconds, what="file"
        )
        if held is None:
            raise _missing(object_id)
        sender_id = node_id if node_id is not None else remote_node_id
        if sender_id is not None:
            return await self._opened(held, sender_id)
        try:
            return await download(self._storage.stream(object_id, size=held.size))
        except HubRefused as refusal:
            if refusal.status == 404:
                raise _missing(object_id) from refusal
            raise

    async def temp_bucket(self, caller: str) -> AnalysisBucket:
        """Find the analysis' TEMP bucket.

        Raises:
            Refused: 404, the hub has no such bucket.
            HubError: the hub must be asked and cannot be.
        """
        analysis_id = as_uuid(caller)
        bucket = None
        if analysis_id is not None:
            bucket = await self._knowledge.bucket_of(analysis_id, BucketKind.TEMP, self._lookup_seconds)
        if bucket is None:
            raise Refused(404, f"Temp bucket for analysis with ID {caller} was not found")
        return bucket

    async def send(self, new: NewUpload, remote_node_id: str | None) -> UUID:
        """Bring a stored file to the hub before the deadline; give the hub's id of it.

        Raises:
            Refused: the node to seal it for does not exist, or its key is of no use.
            HubError: it could not be brought there, and nothing is left of it.
        """
        until = asyncio.get_running_loop().time() + self._delivery_seconds
        recipient = None if remote_node_id is None else await self._nodes.recipient(remote_node_id)
        left = max(0.0, until - asyncio.get_running_loop().time())
        try:
            return await self._delivery.send_now(new, recipient=recipient, deadline=left)
        except PeerKeyInvalid as error:
            raise key_refused(str(remote_node_id)) from error

    async def _opened(self, held: BucketFile, sender_id: str) -> Download:
        sender = await self._nodes.node(sender_id)
        try:
            return await download(self._inbound.open(held.id, sender, size=held.size))
        except PeerKeyInvalid as error:
            raise key_refused(sender_id) from error
        except Unsealable as error:
            raise Refused(
                400,
                f"File with ID {held.id} cannot be decrypted under the assumption that the file was encrypted by"
                f" node {sender_id} for this node.",
            ) from error


def _missing(object_id: UUID) -> Refused:
    return Refused(404, f"Object with ID {object_id} does not exist")
