"""An answer of the object store counts for what it says, whatever its status."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from flame_node_agent.errors import ObjectStoreUnavailable
from flame_node_agent.stores.objects import ObjectStore
from flame_node_agent.stores.parts import MIB

from .s3_double import INTERNAL_ERROR, NO_SUCH_UPLOAD, Answer, S3Double, store_at

pytestmark = pytest.mark.usefixtures("no_pauses")

SIZE = 6 * MIB


@pytest.fixture
def server() -> S3Double:
    return S3Double()


@pytest.fixture
async def store(server: S3Double) -> AsyncIterator[ObjectStore]:
    async with server.running() as endpoint, store_at(endpoint) as opened:
        yield opened


async def content(size: int = SIZE) -> AsyncIterator[bytes]:
    yield b"x" * size


@pytest.mark.parametrize(
    "body",
    [INTERNAL_ERROR, "<html><p>Please wait", "<CompleteMultipartUploadResult/>", "  "],
    ids=["error", "no XML", "no etag", "empty"],
)
async def test_an_upload_that_is_not_confirmed_is_aborted_and_not_taken_for_stored(
    server: S3Double, store: ObjectStore, body: str
) -> None:
    server.answers["complete"] = [Answer(body)]
    with pytest.raises(ObjectStoreUnavailable):
        await store.put("outbox/1", content())
    assert server.asked[-2:] == ["abort", "delete"]


async def test_an_upload_that_is_confirmed_at_the_second_attempt_is_stored(
    server: S3Double, store: ObjectStore
) -> None:
    server.answers["complete"] = [Answer(INTERNAL_ERROR), Answer("<R><ETag>o</ETag></R>")]
    assert (await store.put("outbox/1", content())).size == SIZE
    assert server.asked.count("complete") == 2
    assert "abort" not in server.asked


async def test_an_upload_that_was_completed_without_an_answer_is_stored_if_the_object_is_whole(
    server: S3Double, store: ObjectStore
) -> None:
    server.answers["complete"] = [Answer(INTERNAL_ERROR, 500), Answer(NO_SUCH_UPLOAD, 404)]
    server.answers["head"] = [Answer(headers={"Content-Length": str(SIZE), "ETag": "o"})]
    assert (await store.put("outbox/1", content())).size == SIZE
    assert "abort" not in server.asked


@pytest.mark.parametrize(
    "found",
    [Answer(headers={"Content-Length": str(SIZE - 1), "ETag": "o"}), Answer(status=404)],
    ids=["another size", "nothing"],
)
async def test_an_upload_that_is_gone_is_not_taken_for_stored_if_the_object_is_not_whole(
    server: S3Double, store: ObjectStore, found: Answer
) -> None:
    server.answers["complete"] = [Answer(INTERNAL_ERROR), Answer(NO_SUCH_UPLOAD, 404)]
    server.answers["head"] = [found]
    with pytest.raises(ObjectStoreUnavailable):
        await store.put("outbox/1", content())
    assert "abort" in server.asked


async def test_an_upload_that_another_aborted_is_not_looked_for(server: S3Double, store: ObjectStore) -> None:
    server.answers["complete"] = [Answer(NO_SUCH_UPLOAD, 404)]
    with pytest.raises(ObjectStoreUnavailable):
        await store.put("outbox/1", content())
    assert "head" not in server.asked


@pytest.mark.parametrize(("operation", "size"), [("put", 1), ("part", SIZE)])
async def test_bytes_that_are_taken_without_an_etag_are_not_taken_for_stored(
    server: S3Double, store: ObjectStore, operation: str, size: int
) -> None:
    server.answers[operation] = [Answer("<html/>")]
    with pytest.raises(ObjectStoreUnavailable):
        await store.put("outbox/1", content(size))


@pytest.mark.parametrize("body", [INTERNAL_ERROR, "<html><p>Please wait"], ids=["error", "no XML"])
async def test_an_upload_that_was_not_begun_is_a_failure_of_the_store(
    server: S3Double, store: ObjectStore, body: str
) -> None:
    server.answers["begin"] = [Answer(body)]
    with pytest.raises(ObjectStoreUnavailable):
        await store.put("outbox/1", content())


@pytest.mark.parametrize("body", [INTERNAL_ERROR, "<html><p>Please wait"], ids=["error", "no XML"])
async def test_an_error_is_not_taken_for_an_empty_list(
    server: S3Double, store: ObjectStore, body: str
) -> None:
    server.answers["list uploads"] = server.answers["list"] = [Answer(body)]
    with pytest.raises(ObjectStoreUnavailable):
        await store.abort_unfinished("outbox/1")
    with pytest.raises(ObjectStoreUnavailable):
        [found async for found in store.list("outbox/")]


async def test_an_error_that_cannot_be_read_is_a_failure_of_the_store(
    server: S3Double, store: ObjectStore
) -> None:
    server.answers["put"] = server.answers["delete"] = [Answer("<html><p>Bad gateway", 502)]
    with pytest.raises(ObjectStoreUnavailable):
        await store.put("outbox/1", content(1))
    with pytest.raises(ObjectStoreUnavailable):
        await store.delete("outbox/1")
