"""The yardstick: the same bytes put straight into the same S3 server by the same client library."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from miniopy_async.api import Minio

BLOCK = 1024 * 1024


class Repeated:
    """A readable of ``size`` bytes: one block of memory again and again."""

    def __init__(self, block: bytes, size: int) -> None:
        self._block = memoryview(block)
        self._left = size

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes, fewer only at the end."""
        size = self._left if size < 0 else min(size, self._left)
        pieces = []
        while size:
            step = min(size, len(self._block))
            pieces.append(self._block[:step])
            size -= step
            self._left -= step
        return b"".join(pieces)


def put_seconds(s3: dict[str, Any], block: bytes, size: int) -> float:
    """Seconds of one ``put_object`` with the library's own defaults."""

    async def put() -> float:
        async with _client(s3) as client:
            began = time.perf_counter()
            await client.put_object(s3["bucket"], "benchmark/direct", Repeated(block, size), size)
            elapsed = time.perf_counter() - began
            await client.remove_object(s3["bucket"], "benchmark/direct")
            return elapsed

    return asyncio.run(put())


def get_seconds(s3: dict[str, Any], block: bytes, size: int) -> float:
    """Seconds of one ``get_object`` read to its end."""

    async def get() -> float:
        async with _client(s3) as client:
            await client.put_object(s3["bucket"], "benchmark/direct", Repeated(block, size), size)
            began = time.perf_counter()
            response = await client.get_object(s3["bucket"], "benchmark/direct")
            seen = 0
            async for piece in response.content.iter_chunked(BLOCK):
                seen += len(piece)
            response.release()
            elapsed = time.perf_counter() - began
            await client.remove_object(s3["bucket"], "benchmark/direct")
            if seen != size:
                raise RuntimeError(f"{seen} of {size} bytes came back")
            return elapsed

    return asyncio.run(get())


def _client(s3: dict[str, Any]) -> Minio:
    return Minio(
        s3["endpoint"],
        access_key=s3["access_key"],
        secret_key=s3["secret_key"],
        region=s3["region"],
        secure=False,
    )
