"""The object store is the server of the settings and no other, whatever that server says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from flame_node_agent.errors import ObjectStoreUnavailable
from flame_node_agent.stores.objects import ObjectStore
from flame_node_agent.stores.parts import MIB

from .s3_double import Answer, S3Double, store_at

pytestmark = pytest.mark.usefixtures("no_pauses")


async def content(size: int) -> AsyncIterator[bytes]:
    yield b"x" * size


async def read(store: ObjectStore) -> None:
    async with store.read("outbox/1") as reader:
        async for _ in reader.chunks():
            pass


REQUESTS: dict[str, Callable[[ObjectStore], Awaitable[object]]] = {
    "put": lambda store: store.put("outbox/1", content(1)),
    "part": lambda store: store.put("outbox/1", content(6 * MIB)),
    "begin": lambda store: store.put("outbox/1", content(6 * MIB)),
    "complete": lambda store: store.put("outbox/1", content(6 * MIB)),
    "get": read,
    "head": lambda store: store.check(),
    "delete": lambda store: store.delete("outbox/1"),
    "list uploads": lambda store: store.abort_unfinished("outbox/1"),
}


@pytest.mark.parametrize(
    ("operation", "status"),
    [(operation, 307) for operation in REQUESTS] + [("put", status) for status in (301, 302, 303, 308)],
)
async def test_a_redirect_of_the_object_store_is_not_followed(operation: str, status: int) -> None:
    elsewhere = S3Double()
    server = S3Double()
    async with elsewhere.running() as other, server.running() as endpoint, store_at(endpoint) as store:
        server.answers[operation] = [
            Answer(status=status, headers={"Location": f"http://{other}/flame/outbox/1"})
        ]
        with pytest.raises(ObjectStoreUnavailable) as refused:
            await REQUESTS[operation](store)
    assert elsewhere.asked == []
    assert f"redirects to {other}" in str(refused.value)


async def test_what_the_object_store_says_of_another_region_is_passed_on() -> None:
    said = "<Error><Code>PermanentRedirect</Code><Message>Use another endpoint.</Message></Error>"
    server = S3Double()
    async with server.running() as endpoint, store_at(endpoint) as store:
        server.answers["put"] = [Answer(said, 301)]
        with pytest.raises(ObjectStoreUnavailable, match=r"PermanentRedirect: Use another endpoint\."):
            await store.put("outbox/1", content(1))
