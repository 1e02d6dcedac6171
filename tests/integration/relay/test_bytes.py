"""Bytes through the relay: all of them, as they came, at the slower end's pace; an end stays an end."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from flame_node_agent.devstack.ports import LOOPBACK, free_ports
from flame_node_agent.devstack.processes import clean_environment
from tests.integration.relay.conftest import StartRelay
from tests.integration.relay.relay_process import RelayProcess, until

MIB = 1 << 20
BLOCK = bytes(range(256)) * 256

type Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(handle: Handle) -> AsyncIterator[int]:
    """A server that handles each connection so; its port."""
    server = await asyncio.start_server(handle, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def connected(relay: RelayProcess) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    await until(relay.open)
    return await asyncio.open_connection(LOOPBACK, relay.port)


async def answer_after_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    asked = await reader.read()
    if asked:
        writer.write(hashlib.sha256(asked).digest())
    writer.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while block := await reader.read(65536):
        writer.write(block)
        await writer.drain()
    writer.close()


async def test_whoever_ends_its_own_direction_still_gets_the_answer(start_relay: StartRelay) -> None:
    async with serving(answer_after_the_end) as port:
        reader, writer = await connected(start_relay(port))
        asked = BLOCK * 100
        writer.write(asked)
        writer.write_eof()
        assert await reader.read() == hashlib.sha256(asked).digest()
        writer.close()


async def test_the_relay_reads_no_faster_than_the_client(start_relay: StartRelay) -> None:
    sent = 0
    whole = 256 * MIB

    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        if poured.is_set():
            writer.close()
            return
        while sent < whole:
            writer.write(BLOCK)
            await writer.drain()
            sent += len(BLOCK)
        poured.set()
        writer.close()

    poured = asyncio.Event()
    poured.set()
    async with serving(pour) as port:
        relay = start_relay(port)
        await until(relay.open)
        await until(lambda: relay.sockets() == 0)
        before = relay.process.memory_info().rss
        poured.clear()
        reader, writer = await asyncio.open_connection(LOOPBACK, relay.port, limit=65536)
        stuck_at = -1
        while stuck_at != sent:  # until nothing has moved for a while
            stuck_at = sent
            await asyncio.sleep(1)
        assert 0 < stuck_at < 64 * MIB
        assert relay.process.memory_info().rss - before < 32 * MIB
        arrived = 0
        while block := await reader.read(MIB):
            arrived += len(block)
        assert arrived == whole
        assert relay.process.memory_info().rss - before < 32 * MIB
        writer.close()


async def test_a_connection_that_the_server_breaks_off_does_not_look_ended(start_relay: StartRelay) -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(4):
            # What has come and was not read makes the kernel send a reset (RFC 2525, 2.17).
            writer.transport.abort()

    async with serving(break_off) as port:
        relay = start_relay(port)
        reader, writer = await connected(relay)
        writer.write(BLOCK * 64)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        await until(lambda: relay.events("relay.connection_broken"))


async def test_clients_that_go_at_once_leave_nothing_behind(start_relay: StartRelay) -> None:
    async with serving(echo) as port:
        relay = start_relay(port)
        await until(relay.open)
        for _ in range(100):
            _, writer = await asyncio.open_connection(LOOPBACK, relay.port)
            option = struct.pack("ii", 1, 0)  # no lingering: closing sends a reset
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
            writer.transport.abort()
        await until(lambda: relay.sockets() == 0)
        reader, writer = await asyncio.open_connection(LOOPBACK, relay.port)
        writer.write(b"well")
        assert await reader.readexactly(4) == b"well"
        writer.close()
        await until(lambda: relay.sockets() == 0)
    assert "Traceback" not in (relay.directory / "relay.log").read_text("utf-8")


async def test_no_socket_is_left_behind(start_relay: StartRelay) -> None:
    async with serving(echo) as port:
        relay = start_relay(port)
        await until(relay.open)

        async def talk(number: int) -> None:
            reader, writer = await asyncio.open_connection(LOOPBACK, relay.port)
            writer.write(BLOCK)
            assert await reader.readexactly(len(BLOCK)) == BLOCK
            if number % 3 == 0:
                writer.transport.abort()
            elif number % 3 == 1:
                writer.write_eof()
                assert await reader.read() == b""
            writer.close()

        for _ in range(10):
            await asyncio.gather(*(talk(number) for number in range(30)))
        await until(lambda: relay.sockets() == 0)


async def test_connections_beyond_the_limit_are_cut_and_those_after_are_not(start_relay: StartRelay) -> None:
    async with serving(echo) as port:
        relay = start_relay(port, RELAY__MAX_CONNECTIONS="2")
        await until(relay.open)
        await until(lambda: relay.sockets() == 0)
        held = [await asyncio.open_connection(LOOPBACK, relay.port) for _ in range(2)]
        for reader, writer in held:
            writer.write(b"here")
            assert await reader.readexactly(4) == b"here"
        with pytest.raises(ConnectionResetError):
            # The reset may be here before the connection is known to be open.
            reader, writer = await asyncio.open_connection(LOOPBACK, relay.port)
            await reader.read()
        (told,) = relay.events("relay.connection_refused")
        assert told["open"] == 2
        for _, each in held:
            each.close()
        await until(lambda: relay.sockets() == 0)
        reader, writer = await asyncio.open_connection(LOOPBACK, relay.port)
        writer.write(b"back")
        assert await reader.readexactly(4) == b"back"
        writer.close()
        await until(lambda: relay.sockets() == 0)


async def test_the_relay_is_healthy_without_its_server(start_relay: StartRelay) -> None:
    (nobody,) = free_ports(1)
    relay = start_relay(nobody)
    command = [sys.executable, "-m", "flame_node_agent", "health", "--service", "relay"]
    asked = {"LISTEN__HOST": LOOPBACK, "LISTEN__PORTS": str(relay.ports[0])}
    said = await asyncio.to_thread(
        subprocess.run, command, env=clean_environment(**asked), capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stdout) == (0, "relay: healthy\n")
    assert not relay.open()


async def test_told_to_stop_it_lets_what_is_open_end_and_takes_nothing_new(start_relay: StartRelay) -> None:
    async with serving(echo) as port:
        relay = start_relay(port)
        reader, writer = await connected(relay)
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
        relay.process.send_signal(signal.SIGTERM)
        await until(lambda: not relay.open())
        writer.write(b"after")
        assert await reader.readexactly(5) == b"after"
        writer.write_eof()
        assert await reader.read() == b""
        await until(lambda: not relay.child.alive)
        assert relay.events("relay.stopped")


async def test_a_connection_that_does_not_end_is_cut_after_the_grace_period(start_relay: StartRelay) -> None:
    async with serving(echo) as port:
        relay = start_relay(port, SHUTDOWN_GRACE_SECONDS="1")
        reader, writer = await connected(relay)
        writer.write(b"here")
        assert await reader.readexactly(4) == b"here"
        relay.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        await until(lambda: not relay.child.alive)
        writer.close()
