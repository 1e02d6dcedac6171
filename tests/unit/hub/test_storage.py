"""What the agent does at hub storage, of each of its generations."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import respx

from flame_node_agent.errors import (
    HubCredentialsRefused,
    HubRefused,
    HubUnavailable,
    HubUnexpected,
)
from flame_node_agent.hub.dialect import Dialect
from flame_node_agent.hub.hub import Hub
from flame_node_agent.wire.hub import BucketFile
from tests.unit.hub.conftest import STORAGE
from tests.unit.hub.generations import Generation, refusal

BUCKET, FILE = UUID(int=0xB0), UUID(int=0xF1)
UPLOAD, STREAM = f"{STORAGE}/buckets/{BUCKET}/upload", f"{STORAGE}/bucket-files/{FILE}/stream"
every_dialect = pytest.mark.parametrize("dialect", list(Dialect))


def record(dialect: Dialect = Dialect.SNAKE, **changes: Any) -> dict[str, Any]:
    fields = {
        "id": str(FILE),
        "name": "r.csv",
        "path": "r.csv",
        "directory": ".",
        "hash": "00",
        "size": 3,
        "bucket_id": str(BUCKET),
        "realm_id": None,
    } | changes
    return Generation(dialect)._shown(fields)


def chunks_of(*chunks: bytes) -> Callable[[], AsyncIterator[bytes]]:
    async def make() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return make


async def upload(hub: Hub, name: str = "r.csv") -> BucketFile:
    return await hub.storage.upload(BUCKET, name=name, size=3, chunks=chunks_of(b"a", b"bc"))


def uploaded(*records: dict[str, Any]) -> httpx.Response:
    return httpx.Response(201, json={"data": list(records), "meta": {"total": len(records)}})


@every_dialect
async def test_a_file_is_uploaded(mocked: respx.MockRouter, hub: Hub, dialect: Dialect) -> None:
    route = mocked.post(UPLOAD).mock(return_value=uploaded(record(dialect)))

    file = await upload(hub)

    assert file == BucketFile(id=FILE, name="r.csv", path="r.csv", size=3, bucket_id=BUCKET)
    request = route.calls.last.request
    assert request.headers["Content-Length"] == str(len(request.content))
    assert "Transfer-Encoding" not in request.headers
    assert re.fullmatch(r"multipart/form-data; boundary=[0-9a-f]{32}", request.headers["Content-Type"])
    assert request.headers["Authorization"] == "Bearer token-1"
    assert b'filename="r.csv"\r\nContent-Type: application/octet-stream\r\n\r\nabc\r\n--' in request.content


@pytest.mark.parametrize("count", [0, 2])
async def test_exactly_one_file_must_come_back(mocked: respx.MockRouter, hub: Hub, count: int) -> None:
    mocked.post(UPLOAD).mock(return_value=uploaded(*[record()] * count))

    with pytest.raises(HubUnexpected, match=f"single uploaded file .*, got {count}"):
        await upload(hub)


@pytest.mark.parametrize("size", ["3", 3, None])
async def test_a_size_may_be_a_number_a_big_number_as_text_or_nothing(
    mocked: respx.MockRouter, hub: Hub, size: Any
) -> None:
    mocked.post(UPLOAD).mock(return_value=uploaded(record(size=size)))

    assert (await upload(hub)).size in {3, None}


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 2},
        {"bucket_id": "5c5d1c6e-5d3c-4b5e-9a3f-0d3a4f1f7a10"},
        {"id": "7"},
        {"path": None},
        {"bucket_id": None},
    ],
)
async def test_what_was_stored_must_be_what_was_sent(
    mocked: respx.MockRouter, hub: Hub, changes: dict[str, Any]
) -> None:
    mocked.post(UPLOAD).mock(return_value=uploaded(record(**changes)))

    with pytest.raises(HubUnexpected):
        await upload(hub)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html="<h1>Please sign in</h1>"),
        httpx.Response(201, json=[]),
        httpx.Response(201, json={"data": None}),
        httpx.Response(201),
        httpx.Response(413, html="<h1>413 Request Entity Too Large</h1>"),
    ],
)
async def test_an_upload_that_nobody_confirms_is_unexpected(
    mocked: respx.MockRouter, hub: Hub, answer: httpx.Response
) -> None:
    mocked.post(UPLOAD).mock(return_value=answer)

    with pytest.raises(HubUnexpected):
        await upload(hub)


async def test_a_taken_name_is_a_refusal(mocked: respx.MockRouter, hub: Hub) -> None:
    mocked.post(UPLOAD).mock(return_value=refusal(409, "entity_conflict"))

    with pytest.raises(HubRefused) as caught:
        await upload(hub)
    assert caught.value.status == 409


async def test_an_upload_is_sent_whole_again_under_a_fresh_token(mocked: respx.MockRouter, hub: Hub) -> None:
    route = mocked.post(UPLOAD).mock(side_effect=[refusal(401), uploaded(record())])

    await upload(hub)

    assert [call.request.headers["Authorization"] for call in route.calls] == [
        "Bearer token-1",
        "Bearer token-2",
    ]
    assert [b"abc" in call.request.content for call in route.calls] == [True, True]


async def test_two_refused_tokens_are_enough(mocked: respx.MockRouter, hub: Hub) -> None:
    upload_route = mocked.post(UPLOAD).mock(return_value=refusal(401))
    stream_route = mocked.get(STREAM).mock(return_value=refusal(401))
    get_route = mocked.get(f"{STORAGE}/bucket-files/{FILE}").mock(return_value=refusal(401))

    with pytest.raises(HubCredentialsRefused):
        await upload(hub)
    with pytest.raises(HubCredentialsRefused):
        async with hub.storage.stream(FILE):
            pytest.fail("there is no stream")
    with pytest.raises(HubCredentialsRefused):
        await hub.storage.get_file(FILE)
    assert (upload_route.call_count, stream_route.call_count, get_route.call_count) == (2, 2, 2)


async def test_a_401_of_a_proxy_is_unexpected_in_the_end(mocked: respx.MockRouter, hub: Hub) -> None:
    route = mocked.get(f"{STORAGE}/bucket-files/{FILE}").respond(401, html="<h1>Who are you?</h1>")

    with pytest.raises(HubUnexpected):
        await hub.storage.get_file(FILE)
    assert route.call_count == 2


@every_dialect
async def test_a_file_is_got(mocked: respx.MockRouter, hub: Hub, dialect: Dialect) -> None:
    generation = Generation(dialect)
    generation.add("bucket-files", **record())
    mocked.get(url__startswith=STORAGE).mock(side_effect=generation)

    file = await hub.storage.get_file(FILE)

    assert file is not None
    assert (file.id, file.bucket_id, file.size) == (FILE, BUCKET, 3)
    assert await hub.storage.get_file(uuid4()) is None


async def test_another_file_than_the_one_asked_for_is_unexpected(mocked: respx.MockRouter, hub: Hub) -> None:
    mocked.get(f"{STORAGE}/bucket-files/{FILE}").respond(200, json=record(id=str(uuid4())))

    with pytest.raises(HubUnexpected):
        await hub.storage.get_file(FILE)


@every_dialect
@pytest.mark.parametrize("rejects", [False, True])
@pytest.mark.parametrize(
    "path", ["r.csv", "a,b.csv", "!a", "007", "null", "dir/r.csv", " r.csv", "~r", "nan", "<r"]
)
async def test_a_file_is_found_by_its_path(
    mocked: respx.MockRouter, hub: Hub, dialect: Dialect, rejects: bool, path: str
) -> None:
    generation = Generation(dialect, rejects_unknown_filters=rejects)
    mocked.get(url__startswith=STORAGE).mock(side_effect=generation)
    for number in range(60):
        other = {"id": str(uuid4()), "name": f"{number}", "path": f"{number}"}
        generation.add("bucket-files", **record() | other)
    generation.add("bucket-files", **record() | {"id": str(uuid4()), "bucket_id": str(uuid4()), "path": path})
    generation.add("bucket-files", **record() | {"path": path, "name": path.rpartition("/")[2]})

    file = await hub.storage.find_file(BUCKET, path=path)

    assert file is not None
    assert file.id == FILE
    assert await hub.storage.find_file(BUCKET, path=path + "x") is None
    assert await hub.storage.find_file(uuid4(), path=path) is None


@pytest.mark.parametrize(
    "path", ["a,b", "!r", "~r", "<1", ">1", "7", "1e3", "null", "TRUE", "Infinity", " r", "ä"]
)
async def test_a_name_the_hub_would_interpret_is_never_a_filter(
    mocked: respx.MockRouter, hub: Hub, path: str
) -> None:
    generation = Generation(Dialect.SNAKE)
    mocked.get(url__startswith=STORAGE).mock(side_effect=generation)
    await hub.storage.find_file(BUCKET, path=path)

    assert "filter[name]" not in generation.requests[0].url.params
    assert generation.requests[0].url.params["filter[bucket_id]"] == str(BUCKET)


@pytest.mark.parametrize("stored", ["Ã¤ %22.csv", 'ä ".csv', "ä %22.csv"])
async def test_a_file_is_found_under_what_a_hub_makes_of_its_name(
    mocked: respx.MockRouter, hub: Hub, stored: str
) -> None:
    generation = Generation(Dialect.SNAKE)
    generation.add("bucket-files", **record(path=stored, name=stored))
    mocked.get(url__startswith=STORAGE).mock(side_effect=generation)

    assert await hub.storage.find_file(BUCKET, path='ä ".csv') is not None


@pytest.mark.parametrize("answer", [httpx.Response(202, json=record()), httpx.Response(204), refusal(404)])
async def test_a_file_is_deleted_or_gone_already(
    mocked: respx.MockRouter, hub: Hub, answer: httpx.Response
) -> None:
    route = mocked.delete(f"{STORAGE}/bucket-files/{FILE}").mock(return_value=answer)

    await hub.storage.delete_file(FILE)

    assert route.call_count == 1


async def test_a_file_that_may_not_be_deleted_is_a_refusal(mocked: respx.MockRouter, hub: Hub) -> None:
    mocked.delete(f"{STORAGE}/bucket-files/{FILE}").mock(return_value=refusal(403, "permission_denied"))

    with pytest.raises(HubRefused):
        await hub.storage.delete_file(FILE)


async def test_a_stream_gives_the_files_bytes(mocked: respx.MockRouter, hub: Hub) -> None:
    content = bytes(range(256)) * 4000
    route = mocked.get(STREAM).respond(
        200,
        content=content,
        headers={"Content-Type": "application/octet-stream", "Content-Encoding": "identity"},
    )

    async with hub.storage.stream(FILE) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == content
    assert route.calls.last.request.headers["Accept-Encoding"] == "identity"


async def test_a_stream_the_hub_compresses_all_the_same_is_read_in_bounded_blocks(
    mocked: respx.MockRouter, hub: Hub
) -> None:
    content = bytes(5_000_000)
    mocked.get(STREAM).respond(200, content=gzip.compress(content), headers={"Content-Encoding": "gzip"})

    async with hub.storage.stream(FILE) as chunks:
        parts = [chunk async for chunk in chunks]

    assert b"".join(parts) == content
    assert max(map(len, parts)) <= 256 * 1024


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(404, "entity_not_found"), HubRefused),
        (refusal(500), HubUnexpected),
        (refusal(503), HubUnavailable),
        (httpx.Response(404, html="<h1>404</h1>"), HubUnexpected),
        (httpx.Response(200, html="<h1>Please sign in</h1>"), HubUnexpected),
        (httpx.Response(206, content=b"part"), HubUnexpected),
        (httpx.Response(204), HubUnexpected),
    ],
)
async def test_an_error_is_never_handed_on_as_the_content_of_a_file(
    mocked: respx.MockRouter, hub: Hub, answer: httpx.Response, error: type[Exception]
) -> None:
    mocked.get(STREAM).mock(return_value=answer)

    with pytest.raises(error):
        async with hub.storage.stream(FILE):
            pytest.fail("there is no stream")


async def test_a_stream_is_opened_again_under_a_fresh_token(mocked: respx.MockRouter, hub: Hub) -> None:
    route = mocked.get(STREAM).mock(side_effect=[refusal(401), httpx.Response(200, content=b"abc")])

    async with hub.storage.stream(FILE) as chunks:
        assert [chunk async for chunk in chunks] == [b"abc"]
    assert route.calls.last.request.headers["Authorization"] == "Bearer token-2"


async def test_damaged_compression_is_unexpected(mocked: respx.MockRouter, hub: Hub) -> None:
    mocked.get(STREAM).respond(
        200, content=gzip.compress(bytes(1000))[:-3], headers={"Content-Encoding": "gzip"}
    )

    with pytest.raises(HubUnexpected):
        async with hub.storage.stream(FILE) as chunks:
            async for _ in chunks:
                pass


async def test_what_the_reader_of_a_stream_raises_is_left_as_it_is(
    mocked: respx.MockRouter, hub: Hub
) -> None:
    mocked.get(STREAM).respond(200, content=b"abc")

    with pytest.raises(httpx.ReadError, match="the reader's own"):
        async with hub.storage.stream(FILE) as chunks:
            async for _ in chunks:
                raise httpx.ReadError("the reader's own")


@pytest.mark.parametrize("hostile", ["../admin", "", "a/b?c", str(FILE), None])
async def test_nothing_but_a_uuid_reaches_a_path(mocked: respx.MockRouter, hub: Hub, hostile: Any) -> None:
    with pytest.raises(TypeError):
        await hub.storage.get_file(hostile)
    with pytest.raises(TypeError):
        await hub.storage.delete_file(hostile)
    with pytest.raises(TypeError):
        await hub.storage.upload(hostile, name="r", size=0, chunks=chunks_of())
    with pytest.raises(TypeError):
        async with hub.storage.stream(hostile):
            pytest.fail("there is no stream")
    assert mocked.calls.call_count == 0


async def test_the_token_is_shared_by_core_and_storage(mocked: respx.MockRouter, hub: Hub) -> None:
    mocked.get(url__regex=r".*/(projects|bucket-files)/.*").mock(return_value=refusal(404))

    await hub.core.get_project(uuid4())
    await hub.storage.get_file(uuid4())

    assert mocked["token"].call_count == 1
    assert json.loads(mocked["token"].calls.last.request.content)["grant_type"] == "robot_credentials"
