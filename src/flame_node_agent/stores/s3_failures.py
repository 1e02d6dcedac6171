"""What can go wrong between the agent and an S3 server, in the agent's own words."""

from __future__ import annotations

import asyncio

import aiohttp
from miniopy_async.error import InvalidResponseError, MinioException, S3Error

from flame_node_agent.errors import ObjectNotFound, ObjectStoreError, ObjectStoreUnavailable

S3_FAILURES = (MinioException, aiohttp.ClientError, TimeoutError, OSError)
ATTEMPTS = 3
MISSING = {"NoSuchKey", "NoSuchUpload"}


def translated(error: BaseException, key: str) -> ObjectStoreError:
    """The agent's word for one of :data:`S3_FAILURES`."""
    if isinstance(error, S3Error):
        if error.code in MISSING:
            return ObjectNotFound(key)
        return ObjectStoreUnavailable(f"{error.code}: {error.message}")
    if isinstance(error, InvalidResponseError):
        return ObjectStoreUnavailable("the object store answered with something that is not S3")
    return ObjectStoreUnavailable(f"{type(error).__name__}: {error}")


async def pause_or_raise(error: BaseException, attempt: int) -> None:
    """Wait a little before the next attempt at one request; what the store meant as final is raised."""
    final = isinstance(error, S3Error) and error.response.status < 500
    if final or attempt >= ATTEMPTS:
        raise error
    await asyncio.sleep(0.1 * 2**attempt)
