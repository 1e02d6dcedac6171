"""What can go wrong between the agent and an S3 server, in the agent's own words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree import ElementTree

import aiohttp
from miniopy_async.error import InvalidResponseError, MinioException, S3Error

from flame_node_agent.errors import ObjectNotFound, ObjectStoreError, ObjectStoreUnavailable

S3_FAILURES = (MinioException, aiohttp.ClientError, TimeoutError, OSError)
ATTEMPTS = 3
NO_SUCH_UPLOAD = "NoSuchUpload"
MISSING = {"NoSuchKey", NO_SUCH_UPLOAD}


class UnreadableAnswer(MinioException):
    """An answer that does not say what S3 says of success, whatever its status."""


@contextmanager
def understood() -> Iterator[None]:
    """Around requests: the client lets through what its parsers raise; here it becomes one of :data:`S3_FAILURES`."""
    try:
        yield
    except (ElementTree.ParseError, ValueError) as error:
        raise UnreadableAnswer(str(error)) from error


def confirmed(etag: str | None) -> str:
    """The etag that confirms what was written; UnreadableAnswer without one.

    The client takes any 200 for success. But a proxy's page has that status as well, and so may an error, when the
    store found it only after the status had gone out (Amazon S3 API, "CompleteMultipartUpload").
    """
    if not etag:
        raise UnreadableAnswer("no etag in the answer")
    return etag


def translated(error: BaseException, key: str) -> ObjectStoreError:
    """The agent's word for one of :data:`S3_FAILURES`."""
    if isinstance(error, S3Error):
        if error.code in MISSING:
            return ObjectNotFound(key)
        return ObjectStoreUnavailable(f"{error.code}: {error.message}")
    if isinstance(error, UnreadableAnswer):
        return ObjectStoreUnavailable(f"the object store's answer confirms nothing: {error}")
    if isinstance(error, InvalidResponseError):
        return ObjectStoreUnavailable("the object store answered with something that is not S3")
    return ObjectStoreUnavailable(f"{type(error).__name__}: {error}")


async def pause_or_raise(error: BaseException, attempt: int) -> None:
    """Wait a little before the next attempt at one request; what the store meant as final is raised."""
    final = isinstance(error, S3Error) and error.response.status < 500
    if final or attempt >= ATTEMPTS:
        raise error
    await asyncio.sleep(0.1 * 2**attempt)
