"""Object store, staging and tables in memory, with switches for what can be away."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from flame_node_agent.errors import (
    DatabaseUnavailable,
    FilenameConflict,
    ObjectNotFound,
    ObjectStoreUnavailable,
)
from flame_node_agent.stores.local_results import TaggedResult
from flame_node_agent.stores.objects import Chunk, ObjectInfo, StoredObject
from flame_node_agent.stores.uploads import NewUpload, Upload, UploadState

NOW = datetime(2026, 11, 21, tzinfo=UTC)


class OpenObjectDouble:
    def __init__(self, key: str, content: bytes, content_type: str, fail_after: int | None) -> None:
        self.info = ObjectInfo(key, len(content), content_type, NOW)
        self._content = content
        self._fail_after = fail_after

    async def chunks(self, block: int = 1024) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), block):
            if self._fail_after is not None and start >= self._fail_after:
                raise ObjectStoreUnavailable("reading broke off")
            yield self._content[start : start + block]


class ObjectsDouble:
    def __init__(self) -> None:
        self.held: dict[str, tuple[bytes, str]] = {}
        self.written: list[str] = []
        self.away = False
        self.fail_after: int | None = None
        self.open_now = 0

    @asynccontextmanager
    async def read(self, key: str) -> AsyncIterator[OpenObjectDouble]:
        content, content_type = self._find(key)
        self.open_now += 1
        try:
            yield OpenObjectDouble(key, content, content_type, self.fail_after)
        finally:
            self.open_now -= 1

    async def stat(self, key: str) -> ObjectInfo:
        content, content_type = self._find(key)
        return ObjectInfo(key, len(content), content_type, NOW)

    async def delete(self, key: str) -> None:
        self._check()
        self.held.pop(key, None)

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        self._check()
        for key, (content, _) in list(self.held.items()):
            if key.startswith(prefix):
                yield ObjectInfo(key, len(content), "", NOW)

    def _find(self, key: str) -> tuple[bytes, str]:
        self._check()
        if key not in self.held:
            raise ObjectNotFound(key)
        return self.held[key]

    def _check(self) -> None:
        if self.away:
            raise ObjectStoreUnavailable("connection refused")


class StagedDouble:
    def __init__(self, objects: ObjectsDouble, key: str) -> None:
        self._objects = objects
        self._key = key

    async def store(self, chunks: AsyncIterable[Chunk], content_type: str) -> StoredObject:
        content = bytearray()
        async for chunk in chunks:
            self._objects._check()
            content += chunk
        self._objects._check()
        self._objects.held[self._key] = (bytes(content), content_type)
        self._objects.written.append(self._key)
        digest = hashlib.sha256(content).hexdigest()
        return StoredObject(self._key, len(content), digest, content_type)


class StagingDouble:
    """Removes what nobody has claimed when the block is left by an exception, as the real one does."""

    def __init__(self, objects: ObjectsDouble) -> None:
        self._objects = objects
        self.intents: set[str] = set()
        self.staged: list[str] = []
        self.database_away = False

    @asynccontextmanager
    async def stage(self, key: str) -> AsyncIterator[StagedDouble]:
        if self.database_away:
            raise DatabaseUnavailable("no connection")
        self.intents.add(key)
        self.staged.append(key)
        try:
            yield StagedDouble(self._objects, key)
        except BaseException:
            if key in self.intents:
                self.intents.remove(key)
                self._objects.held.pop(key, None)
            raise

    def claim(self, key: str) -> None:
        if self.database_away:
            raise DatabaseUnavailable("no connection")
        self.intents.remove(key)


@dataclass
class OutboxDouble:
    staging: StagingDouble
    new: dict[UUID, NewUpload] = field(default_factory=dict)
    uploads: dict[UUID, Upload] = field(default_factory=dict)

    async def enqueue(self, new: NewUpload) -> UUID:
        self.staging.claim(new.object_key)
        self.new[new.upload_id] = new
        self.uploads[new.upload_id] = Upload(
            upload_id=new.upload_id,
            kind=new.kind,
            interactive=False,
            analysis_id=new.analysis_id,
            project_id=new.project_id,
            object_key=new.object_key,
            owns_object=new.owns_object,
            filename=new.filename,
            content_type=new.content_type,
            size=new.size,
            sha256=new.sha256,
            bucket=new.bucket,
            recipient=None,
            seal_nonce=None,
            hub_path=None,
            hub_file_id=None,
            state=UploadState.WAITING,
            attempts=0,
            lease_token=None,
            last_error=None,
            created_at=NOW,
            finished_at=None,
        )
        return new.upload_id

    async def find(self, upload_id: UUID) -> Upload | None:
        if self.staging.database_away:
            raise DatabaseUnavailable("no connection")
        return self.uploads.get(upload_id)

    def deliver(self, upload_id: UUID, hub_file_id: UUID) -> None:
        self.uploads[upload_id] = replace(
            self.uploads[upload_id],
            state=UploadState.DELIVERED,
            attempts=2,
            hub_file_id=hub_file_id,
            finished_at=NOW,
        )


class LocalResultsDouble:
    """The tables tag, result and taggedresult."""

    def __init__(self, staging: StagingDouble) -> None:
        self._staging = staging
        self.tag_rows: list[tuple[UUID, str]] = []
        self.result_rows: dict[tuple[UUID, UUID], str] = {}
        self.tagged_rows: list[tuple[UUID, str, UUID, UUID]] = []

    async def record(
        self,
        *,
        object_id: UUID,
        analysis_id: UUID,
        project_id: UUID,
        filename: str,
        tag: str | None,
        object_key: str,
    ) -> None:
        self._staging.claim(object_key)
        if tag is not None:
            await self.tag_object(
                project_id=project_id,
                analysis_id=analysis_id,
                object_id=object_id,
                tag=tag,
                filename=filename,
            )

    async def tags(self, project_id: UUID) -> list[str]:
        self._check()
        return [name for project, name in self.tag_rows if project == project_id]

    async def tagged(self, project_id: UUID, tag: str) -> list[TaggedResult]:
        self._check()
        return [
            TaggedResult(self.result_rows[object_id, analysis], object_id)
            for project, name, object_id, analysis in self.tagged_rows
            if (project, name) == (project_id, tag)
        ]

    async def tag_object(
        self, *, project_id: UUID, analysis_id: UUID, object_id: UUID, tag: str, filename: str | None
    ) -> str:
        self._check()
        known = self.result_rows.get((object_id, analysis_id))
        if known is not None and filename is not None and known != filename:
            raise FilenameConflict(object_id, analysis_id, filename)
        name = known or filename or str(object_id)
        self.result_rows[object_id, analysis_id] = name
        if (project_id, tag) not in self.tag_rows:
            self.tag_rows.append((project_id, tag))
        row = (project_id, tag, object_id, analysis_id)
        if row not in self.tagged_rows:
            self.tagged_rows.append(row)
        return name

    async def filename_of(self, object_id: UUID, analysis_id: UUID) -> str | None:
        self._check()
        return self.result_rows.get((object_id, analysis_id))

    async def delete_project(self, project_id: UUID, object_ids: list[UUID]) -> None:
        self._check()
        self.result_rows = {key: name for key, name in self.result_rows.items() if key[0] not in object_ids}
        self.tag_rows = [row for row in self.tag_rows if row[0] != project_id]
        self.tagged_rows = [row for row in self.tagged_rows if row[0] != project_id]

    def _check(self) -> None:
        if self._staging.database_away:
            raise DatabaseUnavailable("no connection")
