"""Bytes at rest: any S3 server, through miniopy-async.

Objects are written as streams. Up to one part is held back so that small objects cost a single PUT; larger ones
become a multipart upload whose parts go out in parallel while the next one fills. Whatever stops a write (an
exception of the source, a cancelled request, the store itself) leaves neither an object nor a multipart upload.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO

import aiohttp
import structlog
from miniopy_async.api import Minio
from miniopy_async.datatypes import MultipartUploader, Part
from miniopy_async.error import InvalidResponseError, MinioException, S3Error

from flame_node_agent.config.settings import Settings
from flame_node_agent.errors import ObjectNotFound, ObjectStoreError, ObjectStoreUnavailable
from flame_node_agent.stores.parts import PartBuffer, part_size
from flame_node_agent.telemetry import metrics

log = structlog.get_logger(__name__)

Chunk = bytes | bytearray | memoryview

READ_BLOCK = 1024 * 1024
PARALLEL_PARTS = 3  # of one object
PARALLEL_PARTS_IN_ALL = 12  # of all objects together: what bounds the memory of many uploads at once
IN_FLIGHT_AT_MOST = 16 * 1024 * 1024  # bytes of one object, beyond the first part
HASH_IN_THREAD_ABOVE = 64 * 1024
ATTEMPTS = 3
MISSING = {"NoSuchKey", "NoSuchUpload"}


@dataclass(frozen=True)
class StoredObject:
    """What was written: size in bytes, SHA-256 in lower-case hex."""

    key: str
    size: int
    sha256: str
    content_type: str


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
        self.part_slots = asyncio.Semaphore(PARALLEL_PARTS_IN_ALL)

    @classmethod
    def open(cls, settings: Settings) -> ObjectStore:
        """Make a client; nothing is connected yet. Must be called inside a running event loop."""
        store = settings.minio
        context = ssl.create_default_context()
        if settings.extra_ca_certs is not None:
            context.load_verify_locations(cafile=str(settings.extra_ca_certs))
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=128, ssl=context, keepalive_timeout=30),
            timeout=aiohttp.ClientTimeout(
                total=None,
                sock_connect=settings.http.connect_timeout_seconds,
                sock_read=settings.http.read_timeout_seconds,
            ),
            read_bufsize=READ_BLOCK,
            auto_decompress=False,
            trust_env=False,
        )
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
        writer = _Writer(self, key, content_type)
        try:
            async for chunk in chunks:
                await writer.write(chunk)
            stored = await writer.finish()
        except BaseException as error:
            metrics.OBJECT_STORE_OPERATIONS.labels("put", "error").inc()
            await asyncio.shield(writer.abandon())
            if isinstance(error, _TRANSPORT_FAILURES):
                translated = _translated(error, key)
                if isinstance(translated, ObjectNotFound):
                    # Somebody took it for an orphan and removed what was there of it.
                    translated = ObjectStoreUnavailable("the upload was aborted by another")
                raise translated from error
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
        aborted = 0
        async with self._counted("abort", key):
            # The client offers this listing only under a private name; a test pins it.
            listing = await self._client._list_multipart_uploads(self._bucket, prefix=key)  # noqa: SLF001
            for upload in listing.uploads:
                if upload.object_name == key and upload.upload_id is not None:
                    uploader = self._client.multipart_uploader(self._bucket, key)
                    uploader._upload_id = upload.upload_id  # noqa: SLF001 - as above: no public way to resume one
                    await uploader.abort()
                    aborted += 1
        return aborted

    async def check(self) -> None:
        """Whether the bucket can be reached with these credentials; ObjectStoreUnavailable, ObjectNotFound."""
        async with self._counted("check", self._bucket):
            if not await self._client.bucket_exists(self._bucket):
                raise ObjectNotFound(f"bucket {self._bucket!r} does not exist")

    @asynccontextmanager
    async def _counted(self, operation: str, key: str) -> AsyncIterator[None]:
        try:
            yield
        except _TRANSPORT_FAILURES as error:
            translated = _translated(error, key)
            outcome = "missing" if isinstance(translated, ObjectNotFound) else "error"
            metrics.OBJECT_STORE_OPERATIONS.labels(operation, outcome).inc()
            raise translated from error
        metrics.OBJECT_STORE_OPERATIONS.labels(operation, "ok").inc()

    async def put_whole(self, key: str, body: bytes, content_type: str) -> None:
        """One PUT. ``part_size == length`` keeps the client from splitting it."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._client.put_object(
                    self._bucket,
                    key,
                    BytesIO(body),
                    len(body),
                    content_type=content_type,
                    part_size=len(body),
                )
            except _TRANSPORT_FAILURES as error:
                await _pause_or_raise(error, attempt)
            else:
                return

    def uploader(self, key: str, content_type: str) -> MultipartUploader:
        """A multipart upload that has not begun yet."""
        return self._client.multipart_uploader(self._bucket, key, content_type=content_type)

    async def put_part(self, upload: MultipartUploader, body: bytes, number: int) -> None:
        """One attempt at one part.

        Not by ``upload.upload_part``, which aborts everything when the attempt fails, so that no other can succeed.
        """
        etag = await self._client._upload_part(  # noqa: SLF001
            self._bucket,
            upload._object_name,  # noqa: SLF001
            BytesIO(body),
            upload._headers,  # noqa: SLF001
            upload._upload_id,  # noqa: SLF001
            number,
        )
        upload._parts.append(Part(number, etag))  # noqa: SLF001


class _Writer:
    """One object on its way into the store."""

    def __init__(self, store: ObjectStore, key: str, content_type: str) -> None:
        self._store = store
        self._key = key
        self._content_type = content_type
        self._buffer = PartBuffer()
        self._digest = hashlib.sha256()
        self._size = 0
        self._parts = 0
        self._uploader: MultipartUploader | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._finished = False

    async def write(self, chunk: Chunk) -> None:
        self._buffer.append(chunk)
        self._size += len(chunk)
        while self._buffer.size >= (limit := part_size(self._parts + 1)):
            await self._send(limit)

    async def finish(self) -> StoredObject:
        if self._uploader is None:
            body = self._buffer.take(self._buffer.size)
            await self._hash(body)
            await self._store.put_whole(self._key, body, self._content_type)
        else:
            if self._buffer.size:
                await self._send(self._buffer.size)
            await self._settle(self._sending)
            # The client lists parts as they were done, S3 wants them by number. A test pins this.
            self._uploader._parts.sort(key=lambda part: part.part_number)  # noqa: SLF001
            await self._uploader.complete()
        self._finished = True
        return StoredObject(self._key, self._size, self._digest.hexdigest(), self._content_type)

    async def abandon(self) -> None:
        """Leave nothing behind; what the store refuses even now is the janitor's."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        try:
            if self._uploader is not None and not self._finished:
                await self._uploader.abort()
            await self._store.delete(self._key)
        except (*_TRANSPORT_FAILURES, ObjectStoreError) as error:
            log.warning("object.not_cleaned", key=self._key, error=repr(error))

    async def _send(self, size: int) -> None:
        """Send the first ``size`` buffered bytes as the next part, once there is room for one more in flight."""
        if self._uploader is None:
            uploader = self._store.uploader(self._key, self._content_type)
            await (
                uploader.__aenter__()
            )  # begins it; leaving the block would complete it, which `finish` decides
            self._uploader = uploader
        if len(self._sending) >= max(1, min(PARALLEL_PARTS, IN_FLIGHT_AT_MOST // size)):
            done, _ = await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
            await self._settle(done)
        await self._store.part_slots.acquire()
        body = self._buffer.take(size)
        self._parts += 1
        task = asyncio.create_task(self._upload(body, self._parts))
        task.add_done_callback(lambda _: self._store.part_slots.release())
        self._sending.add(task)
        await self._hash(body)

    async def _upload(self, body: bytes, number: int) -> None:
        assert self._uploader is not None
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._store.put_part(self._uploader, body, number)
            except _TRANSPORT_FAILURES as error:
                await _pause_or_raise(error, attempt)
            else:
                return

    async def _settle(self, tasks: set[asyncio.Task[None]]) -> None:
        for task in list(tasks):
            await task
            self._sending.discard(task)

    async def _hash(self, body: bytes) -> None:
        if len(body) > HASH_IN_THREAD_ABOVE:
            await asyncio.to_thread(self._digest.update, body)
        else:
            self._digest.update(body)


_TRANSPORT_FAILURES = (MinioException, aiohttp.ClientError, TimeoutError, OSError)


async def _pause_or_raise(error: BaseException, attempt: int) -> None:
    """Wait a little before the next attempt at one request; what the store meant as final is raised."""
    final = isinstance(error, S3Error) and error.response.status < 500
    if final or attempt >= ATTEMPTS:
        raise error
    await asyncio.sleep(0.1 * 2**attempt)


def _translated(error: BaseException, key: str) -> ObjectStoreError:
    if isinstance(error, S3Error):
        if error.code in MISSING:
            return ObjectNotFound(key)
        return ObjectStoreUnavailable(f"{error.code}: {error.message}")
    if isinstance(error, InvalidResponseError):
        return ObjectStoreUnavailable("the object store answered with something that is not S3")
    return ObjectStoreUnavailable(f"{type(error).__name__}: {error}")


def _info_of(key: str, response: aiohttp.ClientResponse) -> ObjectInfo:
    headers = response.headers
    return ObjectInfo(
        key,
        int(headers.get("Content-Length", 0)),
        headers.get("Content-Type", ""),
        datetime.now(UTC),
    )
