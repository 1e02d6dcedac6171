"""PUT, GET and DELETE /local: results that stay on this node, for the analyses of one project."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import AsyncExitStack
from itertools import batched
from typing import Annotated
from uuid import UUID, uuid4

import structlog
from fastapi import Query, Request

from flame_node_agent.config.settings import Settings
from flame_node_agent.errors import NodeError, ObjectNotFound, ObjectStoreError, Refused
from flame_node_agent.hub.retry import with_retries
from flame_node_agent.results import tags
from flame_node_agent.results.auth import Caller
from flame_node_agent.results.disposition import DEFAULT_CONTENT_TYPE
from flame_node_agent.results.download import Download, begin
from flame_node_agent.results.form import Form
from flame_node_agent.results.identifiers import as_uuid
from flame_node_agent.results.intermediate import IntermediateResults
from flame_node_agent.results.limits import SizeLimit
from flame_node_agent.results.ports import ResultDependencies
from flame_node_agent.results.projects import Projects, existing, local_key, missing, project_prefix
from flame_node_agent.results.urls import intermediate_url, local_url
from flame_node_agent.stores.uploads import NewUpload, UploadKind
from flame_node_agent.wire.results import IntermediateUploadResponse, LocalUploadResponse

log = structlog.get_logger(__name__)

PARALLEL_DELETIONS = 16


class LocalResults:
    """Keeps results on this node."""

    def __init__(
        self,
        deps: ResultDependencies,
        settings: Settings,
        *,
        projects: Projects,
        intermediate: IntermediateResults,
    ) -> None:
        self._objects = deps.objects
        self._staging = deps.staging
        self._rows = deps.local_results
        self._knowledge = deps.knowledge
        self._core = deps.core
        self._projects = projects
        self._intermediate = intermediate
        self._adapter = settings.hub_adapter_client_id
        self._lookup_seconds = settings.results.lookup_deadline_seconds
        self._size_limit = SizeLimit(settings.results.max_upload_bytes)

    async def put_local(self, request: Request, caller: Caller) -> LocalUploadResponse:
        """Upload a file as a local result.

        Returns a 200 on success. This endpoint uploads the file and returns a link with which it can be
        retrieved. An optional tag can be supplied to group the file with other files.
        """
        form = Form.of(request, fields=("tag",), size_limit=self._size_limit)
        file = await form.require_file()
        _checked_tag(form)
        try:
            analysis_id, project_id = await self._projects.of(caller)
        except NodeError:
            # What is wrong with the form is told first, and part of it may stand behind the file.
            await form.finish()
            form.check()
            _checked_tag(form)
            raise
        object_id = uuid4()
        key = local_key(project_id, object_id)
        async with self._staging.stage(key) as staged:
            await staged.store(form.content(), file.content_type)
            await form.finish()
            form.check()
            await self._rows.record(
                object_id=object_id,
                analysis_id=analysis_id,
                project_id=project_id,
                filename=file.filename,
                tag=_checked_tag(form),
                object_key=key,
            )
        return LocalUploadResponse(url=local_url(request, object_id), object_id=object_id)

    async def get_local(self, object_id: UUID, caller: Caller) -> Download:
        """Get a local result as file, of any analysis of the same project."""
        _, project_id = await self._projects.of(caller)
        try:
            async with AsyncExitStack() as opened:
                stored = await opened.enter_async_context(
                    self._objects.read(local_key(project_id, object_id))
                )
                return await begin(
                    opened,
                    stored.chunks(),
                    media_type=stored.info.content_type or DEFAULT_CONTENT_TYPE,
                    length=stored.info.size,
                )
        except ObjectNotFound as error:
            raise missing(object_id) from error
        except ObjectStoreError as error:
            log.warning("local.read_failed", object=str(object_id), error=str(error))
            raise Refused(502, "Unexpected error from object store") from error
        raise AssertionError("the block above returns or raises")

    async def upload_local(
        self,
        request: Request,
        object_id: UUID,
        caller: Caller,
        remote_node_id: Annotated[str | None, Query(description="Node to encrypt the file for")] = None,
    ) -> IntermediateUploadResponse:
        """Upload a local file directly to the FLAME Hub, as the intermediate upload endpoint would.

        Returns a 200 on success, with a link with which the file can be retrieved.
        """
        analysis_id, project_id = await self._projects.of(caller)
        stored = await existing(self._objects, project_id, object_id)
        filename = await self._rows.filename_of(object_id, analysis_id)
        bucket = await self._intermediate.temp_bucket(caller)
        try:
            hub_id = await self._intermediate.send(
                NewUpload(
                    upload_id=uuid4(),
                    kind=UploadKind.INTERMEDIATE,
                    analysis_id=analysis_id,
                    project_id=project_id,
                    object_key=stored.key,
                    filename=filename or str(object_id),
                    content_type=stored.content_type or DEFAULT_CONTENT_TYPE,
                    size=stored.size,
                    sha256=await self._sha256(stored.key),
                    bucket=bucket,
                    owns_object=False,
                ),
                remote_node_id,
            )
        except ObjectNotFound as error:
            raise missing(object_id) from error
        return IntermediateUploadResponse(url=intermediate_url(request, hub_id), object_id=hub_id)

    async def delete_local(
        self,
        project_id: Annotated[str, Query(description="Project that the Hub no longer has")],
        caller: Caller,
    ) -> None:
        """Delete all objects in the object store and all database entries related to the specified project.

        Returns a 200 on success, a 400 if the project is still available on the Hub and a 403 if it is not
        the Hub Adapter client that sends the request. In both error cases nothing is deleted at all.
        """
        if caller != self._adapter:
            raise Refused(
                403,
                f"Only the Hub Adapter client is allowed to delete local results, got client ID '{caller}'.",
            )
        project = as_uuid(project_id)
        if project is None:
            return  # nothing can be stored under it
        found = await with_retries(
            lambda: self._core.get_project(project), deadline=self._lookup_seconds, what="project"
        )
        if found is not None:
            raise Refused(
                400, f"Project '{project_id}' will not be deleted because it is still available on the Hub."
            )
        await self._knowledge.forget_project(project)
        keys = [stored.key async for stored in self._objects.list(project_prefix(project))]
        # Rows first: if this is interrupted, the objects that are left still tell which rows are theirs.
        await self._rows.delete_project(project, [known for key in keys if (known := _object_id(key))])
        for batch in batched(keys, PARALLEL_DELETIONS):
            await asyncio.gather(*(self._objects.delete(key) for key in batch))
        log.info("project.deleted", project=str(project), objects=len(keys))

    async def _sha256(self, key: str) -> str:
        digest = hashlib.sha256()
        async with self._objects.read(key) as stored:
            async for chunk in stored.chunks():
                await asyncio.to_thread(digest.update, chunk)
        return digest.hexdigest()


def _checked_tag(form: Form) -> str | None:
    tag = form.fields.get("tag")
    if tag is not None:
        tags.check(tag)
    return tag


def _object_id(key: str) -> UUID | None:
    return as_uuid(key.rpartition("/")[2])
