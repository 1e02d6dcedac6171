"""Bytes at rest: any S3 server, through miniopy-async.

Objects are written and read as streams. Whatever stops a write (an exception of the source, a cancelled request, the
store itself) leaves neither an object nor a multipart upload.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
from miniopy_async.api import Minio

from flame_node_agent.config.settings import Settings
from flame_node_agent.errors import ObjectNotFound, ObjectStoreUnavailable
from flame_node_agent.stores.multipart import MultipartUpload
from flame_node_agent.stores.object_writer import Bucket, Chunk, ObjectWriter, StoredObject
from flame_node_agent.stores.s3_failures import S3_FAILURES, translated, understood
from flame_node_agent.stores.s3_session import READ_BLOCK, open_session
from flame_node_agent.telemetry import metrics

__all__ = ["READ_BLOCK", "Chunk", "ObjectInfo", "ObjectReader", "ObjectStore", "StoredObject"]

PARALLEL_PARTS_IN_ALL = 12  # of all objects together: what bounds the memory of many uploads at once


@dataclass(frozen=True)
class ObjectInfo:
    """What the store says of an object. ``content_type`` is empty in listings."""

    key: str
    size: int
    content_type: str
    modified: datetime


class ObjectReader:
    """An open object. The connection is given back when the surrounding block ends."""

    def __init__(self, info: ObjectInfo, response: aiohttp.ClientResponse) -> None:
        self.info = info
        self._response = response

    async def chunks(self, block: int = READ_BLOCK) -> AsyncIterator[bytes]:
        """The content in pieces of at most ``block`` bytes; ObjectStoreUnavailable when it ends too early."""
        seen = 0
        try:
            async for chunk in self._response.content.iter_chunked(block):
                seen += len(chunk)
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ObjectStoreUnavailable(f"reading broke off after {seen} bytes: {error!r}") from error


class ObjectStore:
    """One bucket of an S3 server."""

    def __init__(self, client: Minio, session: aiohttp.ClientSession, bucket: str) -> None:
        self._client = client
        self._session = session
        self._bucket = bucket
        self._part_slots = asyncio.Semaphore(PARALLEL_PARTS_IN_ALL)

    @classmethod
    def open(cls, settings: Settings) -> ObjectStore:
        """Make a client; nothing is connected yet. Must be called inside a running event loop."""
        store = settings.minio
        session = open_session(settings)
        client = Minio(
            store.endpoint,
            access_key=store.access_key,
            secret_key=store.secret_key.get_secret_value(),
            region=store.region,
            secure=store.use_ssl,
            session=session,
        )
        return cls(client, session, store.bucket)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def put(
        self, key: str, chunks: AsyncIterable[Chunk], *, content_type: str = "application/octet-stream"
    ) -> StoredObject:
        """Write a stream of unknown length.

        Raises:
            ObjectStoreUnavailable: the store did not take it. Exceptions of ``chunks`` come through unchanged.
        """
        writer = ObjectWriter(Bucket(self._client, self._bucket, self._part_slots), key, content_type)
        try:
            async for chunk in chunks:
                await writer.write(chunk)
            stored = await writer.finish()
        except BaseException as error:
            metrics.OBJECT_STORE_OPERATIONS.labels("put", "error").inc()
            await asyncio.shield(writer.abandon())
            if isinstance(error, S3_FAILURES):
                failure = translated(error, key)
                if isinstance(failure, ObjectNotFound):
                    # Somebody took it for an orphan and removed what was there of it.
                    failure = ObjectStoreUnavailable("the upload was aborted by another")
                raise failure from error
            raise
        metrics.OBJECT_STORE_OPERATIONS.labels("put", "ok").inc()
        return stored

    @asynccontextmanager
    async def read(self, key: str) -> AsyncIterator[ObjectReader]:
        """Open an object.

        Raises:
            ObjectNotFound: no such key.
            ObjectStoreUnavailable: anything else.
        """
        async with self._counted("get", key):
            response = await self._client.get_object(self._bucket, key)
        try:
            yield ObjectReader(_info_of(key, response), response)
        finally:
            response.close() if not response.content.at_eof() else response.release()

    async def stat(self, key: str) -> ObjectInfo:
        """Size, type and age of an object; ObjectNotFound, ObjectStoreUnavailable."""
        async with self._counted("stat", key):
            found = await self._client.stat_object(self._bucket, key)
        return ObjectInfo(
            key, found.size or 0, found.content_type or "", found.last_modified or datetime.now(UTC)
        )

    async def delete(self, key: str) -> None:
        """Remove an object; one that is not there counts as removed."""
        with suppress(ObjectNotFound):
            async with self._counted("delete", key):
                await self._client.remove_object(self._bucket, key)

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """All objects whose key starts with ``prefix`` (recursive: some servers show folders otherwise)."""
        async with self._counted("list", prefix):
            async for found in self._client.list_objects(self._bucket, prefix=prefix, recursive=True):
                if found.object_name is not None:
                    yield ObjectInfo(
                        found.object_name, found.size or 0, "", found.last_modified or datetime.now(UTC)
                    )

    async def abort_unfinished(self, key: str) -> int:
        """Abort the multipart uploads that somebody began for ``key`` and never finished; how many there were."""
        async with self._counted("abort", key):
            unfinished = await MultipartUpload.unfinished(self._client, self._bucket, key)
            for upload in unfinished:
                await upload.abort()
        return len(unfinished)

    async def check(self) -> None:
        """Whether the bucket can be reached with these credentials; ObjectStoreUnavailable, ObjectNotFound."""
        async with self._counted("check", self._bucket):
            if not await self._client.bucket_exists(self._bucket):
                raise ObjectNotFound(f"bucket {self._bucket!r} does not exist")

    @asynccontextmanager
    async def _counted(self, operation: str, key: str) -> AsyncIterator[None]:
        try:
            with understood():
                yield
        except S3_FAILURES as error:
            failure = translated(error, key)
            outcome = "missing" if isinstance(failure, ObjectNotFound) else "error"
            metrics.OBJECT_STORE_OPERATIONS.labels(operation, outcome).inc()
            raise failure from error
        metrics.OBJECT_STORE_OPERATIONS.labels(operation, "ok").inc()


def _info_of(key: str, response: aiohttp.ClientResponse) -> ObjectInfo:
    headers = response.headers
    return ObjectInfo(
        key,
        int(headers.get("Content-Length", 0)),
        headers.get("Content-Type", ""),
        datetime.now(UTC),
    )
