"""What a client may send, and how long it may take, before there is a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from fastapi import FastAPI, Request

from flame_node_agent.agent import heads
from flame_node_agent.agent.serving import bind, make_server
from flame_node_agent.config.settings import load_settings
from flame_node_agent.devstack.ports import free_ports
from tests.unit.settings_samples import COMPLETE

HEAD = b"PUT /echo HTTP/1.1\r\nHost: x\r\n"
PIECE = b"a" * 65_536


@pytest.fixture
async def port() -> AsyncIterator[int]:
    app = FastAPI()

    @app.put("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    (free,) = free_ports(1)
    settings = load_settings(
        {**COMPLETE, "LISTEN__HOST": "127.0.0.1", "LISTEN__PORTS": str(free)}, env_file=None
    )
    server = make_server(app, settings)
    running = asyncio.create_task(server.serve(sockets=bind(settings)))
    while not server.started:
        await asyncio.sleep(0.01)
    yield free
    server.should_exit = True
    await running


async def _sent_without_end(port: int, beginning: bytes) -> int:
    """Bytes that could be sent after ``beginning`` until the connection was cut; 16 MiB at most."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(beginning)
    sent = 0
    try:
        async with asyncio.timeout(10):
            while sent < 2**24:
                writer.write(PIECE)
                await writer.drain()
                sent += len(PIECE)
                await asyncio.sleep(0.001)
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()
    return sent


@pytest.mark.parametrize(
    "beginning",
    [
        b"GET /",
        HEAD + b"X-Endless: ",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Endless: ",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;endless=",
    ],
    ids=["address", "header", "trailer", "chunk-extension"],
)
async def test_head_without_end_is_cut_before_it_fills_the_memory(port: int, beginning: bytes) -> None:
    assert await _sent_without_end(port, beginning) < 2**23


async def test_body_of_any_size_and_form_is_no_head(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(HEAD + b"X-Long: " + b"a" * 60_000 + b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(50):
            writer.write(b"10000\r\n" + PIECE + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        answer = await reader.readuntil(b"%d" % (50 * len(PIECE)))
        assert answer.startswith(b"HTTP/1.1 200")
    writer.close()


@pytest.mark.parametrize("beginning", [b"", b"PUT /echo HT", HEAD])
async def test_connection_without_a_request_is_closed_in_time(
    port: int, beginning: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(beginning)
    rest = b""
    async with asyncio.timeout(5):
        with suppress(ConnectionResetError):
            rest = await reader.read()
    assert rest == b""
    writer.close()


async def test_request_that_takes_long_is_not_cut(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + b"Content-Length: 3\r\n\r\n")
    for byte in (b"a", b"b", b"c"):
        await asyncio.sleep(0.15)
        writer.write(byte)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
