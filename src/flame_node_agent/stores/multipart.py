"""One S3 multipart upload: parts in any order, each tried more than once.

Made of the client's own requests, which have private names. Its public uploader aborts everything when one attempt at
a part fails, and completes parts in the order in which they were done instead of by number. Tests pin what is used.
"""

# ruff: noqa: SLF001 - see above
from __future__ import annotations

from io import BytesIO

from miniopy_async.api import Minio
from miniopy_async.datatypes import Part

from flame_node_agent.stores.s3_failures import ATTEMPTS, S3_FAILURES, pause_or_raise


class MultipartUpload:
    """An upload that has begun. Everything here raises what the client raises."""

    def __init__(self, client: Minio, bucket: str, key: str, upload_id: str) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key
        self._upload_id = upload_id
        self._parts: list[Part] = []

    @classmethod
    async def begin(cls, client: Minio, bucket: str, key: str, content_type: str) -> MultipartUpload:
        """Begin an upload at the server."""
        upload_id = await client._create_multipart_upload(bucket, key, {"Content-Type": content_type})
        return cls(client, bucket, key, upload_id)

    @classmethod
    async def unfinished(cls, client: Minio, bucket: str, key: str) -> list[MultipartUpload]:
        """The uploads that somebody began for exactly this key, and neither completed nor aborted."""
        listing = await client._list_multipart_uploads(bucket, prefix=key)
        return [
            cls(client, bucket, key, upload.upload_id)
            for upload in listing.uploads
            if upload.object_name == key and upload.upload_id is not None
        ]

    async def put(self, number: int, body: bytes) -> None:
        """Send the ``number``-th part, counted from 1."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                etag = await self._client._upload_part(
                    self._bucket, self._key, BytesIO(body), None, self._upload_id, number
                )
            except S3_FAILURES as error:
                await pause_or_raise(error, attempt)
            else:
                self._parts.append(Part(number, etag))
                return

    async def complete(self) -> None:
        """Make the object of the parts."""
        parts = sorted(self._parts, key=lambda part: part.part_number)
        await self._client._complete_multipart_upload(self._bucket, self._key, self._upload_id, parts)

    async def abort(self) -> None:
        """Throw the parts away."""
        await self._client._abort_multipart_upload(self._bucket, self._key, self._upload_id)
