"""One S3 multipart upload: parts in any order, each tried more than once.

Made of the client's own requests, which have private names. Its public uploader aborts everything when one attempt at
a part fails, and completes parts in the order in which they were done instead of by number. Tests pin what is used.
"""

# ruff: noqa: SLF001 - see above
from __future__ import annotations

from io import BytesIO

from miniopy_async.api import Minio
from miniopy_async.datatypes import Part
from miniopy_async.error import S3Error

from flame_node_agent.stores.s3_failures import (
    ATTEMPTS,
    NO_SUCH_UPLOAD,
    S3_FAILURES,
    UnreadableAnswer,
    confirmed,
    pause_or_raise,
    understood,
)


class MultipartUpload:
    """An upload that has begun. Everything here raises what is in :data:`S3_FAILURES`."""

    def __init__(self, client: Minio, bucket: str, key: str, upload_id: str) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key
        self._upload_id = upload_id
        self._parts: list[Part] = []

    @classmethod
    async def begin(cls, client: Minio, bucket: str, key: str, content_type: str) -> MultipartUpload:
        """Begin an upload at the server."""
        with understood():
            upload_id = await client._create_multipart_upload(bucket, key, {"Content-Type": content_type})
        return cls(client, bucket, key, upload_id)

    @classmethod
    async def unfinished(cls, client: Minio, bucket: str, key: str) -> list[MultipartUpload]:
        """The uploads that somebody began for exactly this key, and neither completed nor aborted."""
        with understood():
            listing = await client._list_multipart_uploads(bucket, prefix=key)
        if listing.bucket_name is None:
            raise UnreadableAnswer("no list of uploads")  # an error with status 200 looks like an empty one
        return [
            cls(client, bucket, key, upload.upload_id)
            for upload in listing.uploads
            if upload.object_name == key and upload.upload_id is not None
        ]

    async def put(self, number: int, body: bytes) -> None:
        """Send the ``number``-th part, counted from 1."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with understood():
                    etag = await self._client._upload_part(
                        self._bucket, self._key, BytesIO(body), None, self._upload_id, number
                    )
                self._parts.append(Part(number, confirmed(etag), size=len(body)))
            except S3_FAILURES as error:
                await pause_or_raise(error, attempt)
            else:
                return

    async def complete(self) -> None:
        """Make the object of the parts."""
        parts = sorted(self._parts, key=lambda part: part.part_number)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with understood():
                    result = await self._client._complete_multipart_upload(
                        self._bucket, self._key, self._upload_id, parts
                    )
                confirmed(result.etag)
            except S3_FAILURES as error:
                # An earlier attempt may have been carried out though its answer was lost.
                gone = isinstance(error, S3Error) and error.code == NO_SUCH_UPLOAD
                if attempt > 1 and gone and await self._is_whole():
                    return
                await pause_or_raise(error, attempt)
            else:
                return

    async def abort(self) -> None:
        """Throw the parts away."""
        with understood():
            await self._client._abort_multipart_upload(self._bucket, self._key, self._upload_id)

    async def _is_whole(self) -> bool:
        """Whether the object is there, with as many bytes as all parts together."""
        with understood():
            found = await self._client.stat_object(self._bucket, self._key)
        return found.size == sum(part.size or 0 for part in self._parts)
