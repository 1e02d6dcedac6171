"""Plain sockets as streams: fair, and able to hear after they cannot speak any more."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import pytest

from flame_node_agent.hub.sockets import Socket

Pair = tuple[Socket, socket.socket]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """A connection: our end as the agent sees it, the other end as a blocking socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = await Socket.connect("localhost", listener.getsockname()[1])
        theirs, _ = listener.accept()
    with theirs:
        yield ours, theirs
    await ours.aclose()


async def turns_of_others_while(work: Callable[[], Awaitable[object]]) -> int:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(other())
    await work()
    task.cancel()
    return turns


async def test_a_socket_that_is_always_ready_leaves_the_loop_to_others(pair: Pair) -> None:
    ours, theirs = pair

    async def send() -> None:
        for _ in range(100):
            await ours.send(b"0123456789")

    async def receive() -> None:
        for _ in range(100):
            assert await ours.receive(10) == b"0123456789"

    assert await turns_of_others_while(send) >= 99
    theirs.sendall(b"0123456789" * 100)
    await asyncio.sleep(0.05)
    assert await turns_of_others_while(receive) >= 99


async def test_what_came_before_a_reset_can_still_be_read(pair: Pair) -> None:
    ours, theirs = pair
    theirs.sendall(b"answer")
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()
    await asyncio.sleep(0.05)

    await ours.send(b"unheard")
    await ours.send(b"unheard")

    assert ours.is_mute
    assert await ours.receive() == b"answer"
    with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
        await ours.receive()


async def test_an_interrupted_write_ends_as_if_it_were_done_and_reading_goes_on(pair: Pair) -> None:
    ours, theirs = pair
    sending = asyncio.create_task(ours.send(bytes(1 << 26)))
    queued = asyncio.create_task(ours.send(b"behind it"))
    await asyncio.sleep(0.05)
    assert not sending.done()

    ours.interrupt()

    await asyncio.wait_for(asyncio.gather(sending, queued), 5)
    assert ours.is_mute
    theirs.sendall(b"answer")
    assert await ours.receive() == b"answer"


async def test_an_interruption_of_nothing_changes_nothing(pair: Pair) -> None:
    ours, theirs = pair
    ours.interrupt()
    await ours.send(b"heard")

    assert not ours.is_mute
    assert theirs.recv(10) == b"heard"


async def test_an_idle_connection_that_was_hung_up_is_readable(pair: Pair) -> None:
    ours, theirs = pair
    assert not ours.is_readable
    theirs.close()
    await asyncio.sleep(0.05)
    assert ours.is_readable
    await ours.aclose()
    assert ours.is_readable
