"""One object on its way into S3.

Up to one part is held back so that small objects cost a single PUT; larger ones become a multipart upload whose parts
go out in parallel while the next one fills.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from io import BytesIO

import structlog
from miniopy_async.api import Minio

from flame_node_agent.stores.multipart import MultipartUpload
from flame_node_agent.stores.parts import PartBuffer, part_size
from flame_node_agent.stores.s3_failures import ATTEMPTS, S3_FAILURES, confirmed, pause_or_raise, understood

log = structlog.get_logger(__name__)

Chunk = bytes | bytearray | memoryview

PARALLEL_PARTS = 3  # of one object
IN_FLIGHT_AT_MOST = 16 * 1024 * 1024  # bytes of one object, beyond the first part
HASH_IN_THREAD_ABOVE = 64 * 1024


@dataclass(frozen=True)
class StoredObject:
    """What was written: size in bytes, SHA-256 in lower-case hex."""

    key: str
    size: int
    sha256: str
    content_type: str


@dataclass(frozen=True)
class Bucket:
    """Where objects go, and how many of their parts may be in flight at once, of all objects together."""

    client: Minio
    name: str
    part_slots: asyncio.Semaphore


class ObjectWriter:
    """One object: :meth:`write` its bytes, then :meth:`finish`; or :meth:`abandon` it."""

    def __init__(self, bucket: Bucket, key: str, content_type: str) -> None:
        self._bucket = bucket
        self._key = key
        self._content_type = content_type
        self._buffer = PartBuffer()
        self._digest = hashlib.sha256()
        self._size = 0
        self._parts = 0
        self._upload: MultipartUpload | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._finished = False

    async def write(self, chunk: Chunk) -> None:
        """Take the next bytes."""
        self._buffer.append(chunk)
        self._size += len(chunk)
        while self._buffer.size >= (limit := part_size(self._parts + 1)):
            await self._send(limit)

    async def finish(self) -> StoredObject:
        """Wait until the store has all of it."""
        if self._upload is None:
            body = self._buffer.take(self._buffer.size)
            await self._hash(body)
            await self._put_whole(body)
        else:
            if self._buffer.size:
                await self._send(self._buffer.size)
            await self._settle(self._sending)
            await self._upload.complete()
        self._finished = True
        return StoredObject(self._key, self._size, self._digest.hexdigest(), self._content_type)

    async def abandon(self) -> None:
        """Leave nothing behind; what the store refuses even now is the janitor's."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        try:
            if self._upload is not None and not self._finished:
                await self._upload.abort()
            with understood():
                await self._bucket.client.remove_object(self._bucket.name, self._key)
        except S3_FAILURES as error:
            log.warning("object.not_cleaned", key=self._key, error=repr(error))

    async def _send(self, size: int) -> None:
        """Send the first ``size`` buffered bytes as the next part, once there is room for one more in flight."""
        if self._upload is None:
            self._upload = await MultipartUpload.begin(
                self._bucket.client, self._bucket.name, self._key, self._content_type
            )
        if len(self._sending) >= max(1, min(PARALLEL_PARTS, IN_FLIGHT_AT_MOST // size)):
            done, _ = await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
            await self._settle(done)
        await self._bucket.part_slots.acquire()
        body = self._buffer.take(size)
        self._parts += 1
        task = asyncio.create_task(self._upload.put(self._parts, body))
        task.add_done_callback(lambda _: self._bucket.part_slots.release())
        self._sending.add(task)
        await self._hash(body)

    async def _put_whole(self, body: bytes) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with understood():
                    result = await self._bucket.client.put_object(
                        self._bucket.name,
                        self._key,
                        BytesIO(body),
                        len(body),
                        content_type=self._content_type,
                        part_size=len(body),  # as large as the object: keeps the client from splitting it
                    )
                confirmed(result.etag)
            except S3_FAILURES as error:
                await pause_or_raise(error, attempt)
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
