"""What only a real server shows: connections that break, on either side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import httpx
import pytest
import uvicorn
from structlog.testing import capture_logs

from flame_node_agent.results import limits
from tests.unit.results.conftest import Endpoint, MakeEndpoint
from tests.unit.results.hub_double import seal
from tests.unit.results.multipart_samples import body, content_type, file

Auth = dict[str, str]
CONTENT = b"x" * 100_000


@asynccontextmanager
async def served(endpoint: Endpoint) -> AsyncIterator[tuple[httpx.AsyncClient, int]]:
    config = uvicorn.Config(
        endpoint.app, port=0, http="httptools", lifespan="off", access_log=False, log_config=None
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield client, port
    finally:
        server.should_exit = True
        await running


async def _until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


async def _local(endpoint: Endpoint, auth: Auth, content: bytes = CONTENT) -> str:
    answer = await endpoint.client.put("/local", headers=auth, files={"file": content})
    return f"/local/{answer.json()['object_id']}"


# Answers


async def test_download_of_any_size_arrives_whole(endpoint: Endpoint, auth: Auth) -> None:
    path = await _local(endpoint, auth, CONTENT * 50)
    object_id = endpoint.hub.add_file(CONTENT * 50)
    async with served(endpoint) as (client, _):
        for address in (path, f"/intermediate/{object_id}"):
            answer = await client.get(address, headers=auth)
            assert answer.content == CONTENT * 50
    assert endpoint.objects.open_now == 0


@pytest.mark.parametrize("source", ["local", "raw", "sealed"])
async def test_failure_after_the_first_byte_cuts_the_connection(
    endpoint: Endpoint, auth: Auth, source: str
) -> None:
    from flame_node_agent.crypto.keys import shared_key
    from tests.unit.results.test_intermediate import BOB
    from tests.unit.settings_samples import KEY

    bob = endpoint.hub.add_node(BOB)
    sealed = endpoint.hub.add_file(seal(shared_key(BOB, KEY.public_key()), CONTENT))
    path = {
        "local": await _local(endpoint, auth),
        "raw": f"/intermediate/{endpoint.hub.add_file(CONTENT)}",
        "sealed": f"/intermediate/{sealed}?node_id={bob}",
    }[source]
    endpoint.objects.fail_after = endpoint.hub.fail_stream_after = endpoint.inbound.fail_after = 50_000
    received = 0
    async with served(endpoint) as (client, _):
        with capture_logs() as logs:
            async with client.stream("GET", path, headers=auth) as answer:
                assert answer.status_code == 200
                with pytest.raises(httpx.RemoteProtocolError):
                    async for chunk in answer.aiter_bytes():
                        received += len(chunk)
            await _until(lambda: any(entry["event"] == "request.finished" for entry in logs))
    assert received < len(CONTENT)
    (entry,) = [entry for entry in logs if entry["event"] == "request.finished"]
    assert not entry["complete"]
    assert [entry["event"] for entry in logs].count("response.aborted") == 1
    assert endpoint.objects.open_now == 0


@pytest.mark.parametrize("end", [1, 600, 50_000, len(CONTENT) - 1])
async def test_download_that_a_hop_ends_early_is_not_taken_for_the_whole(
    endpoint: Endpoint, auth: Auth, end: int
) -> None:
    path = f"/intermediate/{endpoint.hub.add_file(CONTENT)}"
    endpoint.hub.end_stream_after = end
    async with served(endpoint) as (client, _):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(path, headers=auth)


async def test_reading_stops_when_the_client_goes_away(endpoint: Endpoint, auth: Auth) -> None:
    path = await _local(endpoint, auth, CONTENT * 500)
    async with served(endpoint) as (client, _):
        with capture_logs() as logs:
            async with client.stream("GET", path, headers=auth) as answer:
                await anext(answer.aiter_bytes())
                assert endpoint.objects.open_now == 1
            await _until(lambda: endpoint.objects.open_now == 0)
            await _until(lambda: any(entry["event"] == "request.finished" for entry in logs))
    (entry,) = [entry for entry in logs if entry["event"] == "request.finished"]
    assert entry["sent"] < len(CONTENT) * 500
    assert not entry["complete"]


async def test_client_that_takes_nothing_any_more_loses_the_connection_it_holds_open(
    endpoint: Endpoint, auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STALL_SECONDS", 0.2)
    path = await _local(endpoint, auth, CONTENT * 500)
    async with served(endpoint) as (_, port):
        with capture_logs() as logs:
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n".encode())
            writer.write(f"Authorization: {auth['Authorization']}\r\n\r\n".encode())
            await _until(lambda: endpoint.objects.open_now == 1)
            await _until(lambda: endpoint.objects.open_now == 0)
            await _until(lambda: any(entry["event"] == "request.finished" for entry in logs))
            writer.close()
    (entry,) = [entry for entry in logs if entry["event"] == "request.finished"]
    assert not entry["complete"]


async def test_unforeseen_failure_closes_the_connection(
    endpoint: Endpoint, auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_project: UUID) -> list[str]:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(endpoint.local_results, "tags", fail)
    async with served(endpoint) as (client, _):
        with capture_logs():
            answer = await client.get("/local/tags", headers=auth)
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert answer.headers["connection"] == "close"


# Requests


@pytest.mark.parametrize("path", ["/final", "/final/localdp", "/intermediate", "/local"])
async def test_client_that_goes_away_while_sending_leaves_nothing(
    endpoint: Endpoint, auth: Auth, path: str
) -> None:
    sent = body(file(CONTENT))
    head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {auth['Authorization']}\r\n"
    head += f"Content-Type: {content_type()['Content-Type']}\r\nContent-Length: {len(sent)}\r\n\r\n"
    async with served(endpoint) as (_, port):
        with capture_logs() as logs:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head.encode() + sent[:60_000])
            await writer.drain()
            if path != "/final/localdp":
                await _until(lambda: endpoint.staging.staged)
            writer.close()
            await _until(lambda: any(entry["event"] == "request.finished" for entry in logs))
    (entry,) = [entry for entry in logs if entry["event"] == "request.finished"]
    assert (entry["status"], entry["complete"]) == (499, False)
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == []
    assert endpoint.objects.held == {}
    assert endpoint.outbox.new == {}
    assert endpoint.left_behind == []


@pytest.mark.parametrize("path", ["/final", "/final/localdp", "/intermediate", "/local"])
async def test_client_that_stops_sending_is_told_so_and_leaves_nothing(
    endpoint: Endpoint, auth: Auth, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STALL_SECONDS", 0.2)
    sent = body(file(CONTENT))
    head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {auth['Authorization']}\r\n"
    head += f"Content-Type: {content_type()['Content-Type']}\r\nContent-Length: {len(sent)}\r\n\r\n"
    async with served(endpoint) as (_, port):
        with capture_logs():
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head.encode() + sent[:60_000])
            async with asyncio.timeout(5):
                answer = await reader.read()
            writer.close()
    assert answer.startswith(b"HTTP/1.1 408")
    assert answer.endswith(b'{"detail":"The request body has not been received in time"}')
    assert endpoint.objects.held == {}
    assert endpoint.left_behind == []


async def test_refusal_reaches_a_client_that_is_still_sending(
    make_endpoint: MakeEndpoint,
) -> None:
    endpoint = make_endpoint(RESULTS__MAX_UPLOAD_BYTES="1000")
    auth = endpoint.auth(endpoint.hub.add_analysis())
    sent = body(file(CONTENT * 100))

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(sent), 65_536):
            yield sent[start : start + 65_536]

    async with served(endpoint) as (client, _):
        for headers, status in ((auth, 413), ({"Authorization": "Bearer x"}, 403), (auth, 413)):
            answer = await client.put("/final", headers={**headers, **content_type()}, content=chunks())
            assert answer.status_code == status
            announced = {**headers, **content_type(), "Content-Length": str(len(sent))}
            answer = await client.put("/final", headers=announced, content=chunks())
            assert answer.status_code == status
        # The connection is good for more.
        assert (await client.get("/local/tags", headers=auth)).status_code == 200


async def test_client_that_waits_for_permission_sends_no_refused_body(endpoint: Endpoint) -> None:
    head = "PUT /final HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n"
    async with served(endpoint) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 403")
        writer.close()


async def test_health_is_answered_while_uploads_stall(endpoint: Endpoint, auth: Auth) -> None:
    go = asyncio.Event()
    sent = body(file(CONTENT))

    async def stalled() -> AsyncIterator[bytes]:
        yield sent[:50_000]
        await go.wait()
        yield sent[50_000:]

    async with served(endpoint) as (client, _):
        uploads = [
            asyncio.create_task(client.put("/local", headers={**auth, **content_type()}, content=stalled()))
            for _ in range(20)
        ]
        await _until(lambda: len(endpoint.staging.staged) == 20)
        async with asyncio.timeout(1):
            assert (await client.get("/healthz")).status_code == 200
        go.set()
        assert {answer.status_code for answer in await asyncio.gather(*uploads)} == {200}
