"""Uploads on real connections: early answers, broken sources, cancellation, silence."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import pytest
import uvloop

from flame_node_agent.errors import HubRefused, HubUnavailable, HubUnexpected, ObjectStoreUnavailable
from flame_node_agent.hub.hub import Hub
from tests.unit.hub.authorities import Authority
from tests.unit.hub.servers import Handler, Peer, serving

BUCKET, FILE = UUID(int=0xB0), UUID(int=0xF1)
MEBIBYTE = 1 << 20
HUGE = 1 << 40
TOKEN = json.dumps({"access_token": "token", "expires_in": 900}).encode()


class Source:
    """Zeros without end, as far as the size goes; knows how many it gave and whether it was let go."""

    def __init__(self, size: int = HUGE) -> None:
        self.size, self.given, self.open, self.opened = size, 0, 0, 0

    async def __call__(self) -> AsyncIterator[bytes]:
        self.open += 1
        self.opened += 1
        self.given = 0
        try:
            while self.given < self.size:
                chunk = bytes(min(MEBIBYTE, self.size - self.given))
                self.given += len(chunk)
                yield chunk
                await asyncio.sleep(0)
        finally:
            self.open -= 1


def with_tokens(handle: Handler) -> Handler:
    """A hub whose token endpoint works and whose uploads go to ``handle``."""

    async def handler(peer: Peer) -> None:
        line, headers = await peer.head()
        if line.startswith("POST /token"):
            await peer.body(headers)
            await peer.answer(200, TOKEN, Connection="close")
            return
        peer.headers = headers
        await handle(peer)

    return handler


def error(status: int, code: str = "entity_conflict") -> bytes:
    return json.dumps({"statusCode": status, "code": code, "message": "no"}).encode()


def stored(size: int) -> bytes:
    file = {"id": str(FILE), "name": "r", "path": "r", "size": size, "bucket_id": str(BUCKET)}
    return json.dumps({"data": [file], "meta": {"total": 1}}).encode()


async def upload(hub: Hub, source: Callable[[], AsyncIterator[bytes]], size: int = HUGE) -> object:
    return await hub.storage.upload(BUCKET, name="r", size=size, chunks=source)


async def linger(peer: Peer) -> None:
    """Close as a careful server does: say so, then read what still comes."""
    peer.writer.write_eof()
    await peer.closed()


async def slam(peer: Peer) -> None:
    """Close with data unread, which resets the connection."""
    peer.writer.transport.abort()


async def stall(peer: Peer) -> None:
    """Neither read on nor close."""
    await asyncio.sleep(60)


async def drain(peer: Peer) -> None:
    """Read all that comes, as Node.js does after an early answer."""
    await peer.closed()


@pytest.mark.parametrize("status", [400, 403, 409, 413])
@pytest.mark.parametrize("then", [linger, slam, stall, drain])
@pytest.mark.parametrize("after", [0, 3 * MEBIBYTE])
async def test_a_refusal_while_the_file_is_still_going_out_is_understood(
    open_hub: Callable[..., object], status: int, then: Handler, after: int
) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.reader.readexactly(after)
        await peer.answer(status, error(status))
        await asyncio.sleep(0.05 if then is slam else 0)
        await then(peer)

    source = Source()
    async with serving(with_tokens(refuse)) as server, open_hub(server.url) as hub:
        with pytest.raises(HubRefused) as caught:
            await asyncio.wait_for(upload(hub, source), 20)

    assert caught.value.status == status
    assert source.open == 0
    assert source.given < 200 * MEBIBYTE


@pytest.mark.parametrize("status", [429, 503])
async def test_later_while_the_file_is_still_going_out_is_understood(
    open_hub: Callable[..., object], status: int
) -> None:
    async def later(peer: Peer) -> None:
        await peer.answer(status, b"<h1>busy</h1>", "text/html", Retry_After="11")
        await drain(peer)

    async with serving(with_tokens(later)) as server, open_hub(server.url) as hub:
        with pytest.raises(HubUnavailable) as caught:
            await upload(hub, Source())

    assert caught.value.retry_after == 11


async def test_an_early_401_leads_to_a_second_upload_from_the_start(open_hub: Callable[..., object]) -> None:
    uploads = []

    async def expired(peer: Peer) -> None:
        uploads.append(peer)
        if len(uploads) == 1:
            await peer.answer(401, error(401, "identity_unauthorized"))
            await linger(peer)
        else:
            body = await peer.body(peer.headers)
            assert body.count(0) >= 3 * MEBIBYTE
            await peer.answer(201, stored(3 * MEBIBYTE))

    source = Source(3 * MEBIBYTE)
    async with serving(with_tokens(expired)) as server, open_hub(server.url) as hub:
        await upload(hub, source, source.size)

    assert (source.opened, source.open, len(uploads)) == (2, 0, 2)


async def test_an_answer_through_tls_is_heard_as_well(
    open_hub: Callable[..., object], authority: Authority
) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.reader.readexactly(MEBIBYTE)
        await peer.answer(409, error(409))
        await drain(peer)

    async with (
        serving(with_tokens(refuse), authority.server) as server,
        open_hub(server.url, EXTRA_CA_CERTS=str(authority.bundle)) as hub,
    ):
        with pytest.raises(HubRefused):
            await asyncio.wait_for(upload(hub, Source()), 20)


@pytest.mark.parametrize("tls", [False, True])
async def test_an_answer_that_comes_in_two_pieces_is_read_to_its_end(
    open_hub: Callable[..., object], authority: Authority, tls: bool
) -> None:
    """Sending stops at the first piece; a TLS layer whose write was broken off would not read the second."""
    body = error(409)

    async def refuse(peer: Peer) -> None:
        await peer.send(
            b"HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % len(body)
        )
        await asyncio.sleep(0.1)
        await peer.send(body[:7])
        await asyncio.sleep(0.1)
        await peer.send(body[7:])
        await stall(peer)

    async with (
        serving(with_tokens(refuse), authority.server if tls else None) as server,
        open_hub(server.url, EXTRA_CA_CERTS=str(authority.bundle)) as hub,
    ):
        with pytest.raises(HubRefused):
            await asyncio.wait_for(upload(hub, Source()), 20)


@pytest.mark.parametrize("tls", [False, True])
async def test_a_large_file_arrives_whole(
    open_hub: Callable[..., object], authority: Authority, tls: bool
) -> None:
    size = 20 * MEBIBYTE + 17

    async def accept(peer: Peer) -> None:
        body = await peer.body(peer.headers)
        await peer.answer(201, stored(body.count(0)))

    async with (
        serving(with_tokens(accept), authority.server if tls else None) as server,
        open_hub(server.url, EXTRA_CA_CERTS=str(authority.bundle)) as hub,
    ):
        await upload(hub, Source(size), size)


async def test_continue_is_no_answer_yet(open_hub: Callable[..., object]) -> None:
    async def accept(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await peer.body(peer.headers)
        await peer.answer(201, stored(body.count(0)))

    async with serving(with_tokens(accept)) as server, open_hub(server.url) as hub:
        await upload(hub, Source(5 * MEBIBYTE), 5 * MEBIBYTE)


async def test_a_success_before_the_whole_file_was_sent_is_no_success(
    open_hub: Callable[..., object],
) -> None:
    async def hasty(peer: Peer) -> None:
        await peer.answer(201, stored(HUGE))
        await drain(peer)

    async with serving(with_tokens(hasty)) as server, open_hub(server.url) as hub:
        with pytest.raises(HubUnexpected, match="whole file"):
            await upload(hub, Source())


async def test_an_error_whose_explanation_was_cut_off_is_still_an_error(
    open_hub: Callable[..., object],
) -> None:
    async def cut(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 500\r\n\r\n<html>")
        await linger(peer)

    async with serving(with_tokens(cut)) as server, open_hub(server.url) as hub:
        with pytest.raises(HubUnexpected):
            await upload(hub, Source())


async def test_a_hub_that_hangs_up_is_unavailable(open_hub: Callable[..., object]) -> None:
    source = Source()
    async with serving(with_tokens(slam)) as server, open_hub(server.url) as hub:
        with pytest.raises(HubUnavailable):
            await asyncio.wait_for(upload(hub, source), 20)

    assert source.open == 0


class Own(Exception):
    pass


@pytest.mark.parametrize(
    "failure",
    [
        ObjectStoreUnavailable("gone"),
        Own("mine"),
        TimeoutError("slow store"),
        OSError("disk"),
        HubUnavailable("x"),
    ],
)
@pytest.mark.parametrize("given", [0, 3])
async def test_what_the_source_raises_is_raised_as_it_is_and_the_connection_closed(
    open_hub: Callable[..., object], failure: Exception, given: int
) -> None:
    closed = asyncio.Event()

    async def broken() -> AsyncIterator[bytes]:
        for _ in range(given):
            yield bytes(MEBIBYTE)
        raise failure

    async def watch(peer: Peer) -> None:
        await peer.closed()
        closed.set()

    async with serving(with_tokens(watch)) as server, open_hub(server.url) as hub:
        with pytest.raises(type(failure)) as caught:
            await upload(hub, broken)
        await asyncio.wait_for(closed.wait(), 5)

    assert caught.value is failure


async def test_a_source_that_cannot_even_be_opened_raises_its_own(open_hub: Callable[..., object]) -> None:
    def closed() -> AsyncIterator[bytes]:
        raise Own

    async with serving(with_tokens(drain)) as server, open_hub(server.url) as hub:
        with pytest.raises(Own):
            await upload(hub, closed)


@pytest.mark.parametrize("reading", [True, False])
async def test_cancellation_closes_the_connection_and_lets_go_of_the_source(
    open_hub: Callable[..., object], reading: bool
) -> None:
    begun, closed = asyncio.Event(), asyncio.Event()

    async def watch(peer: Peer) -> None:
        await peer.reader.readexactly(MEBIBYTE)
        begun.set()
        if not reading:
            await asyncio.sleep(0.2)
        await peer.closed()
        closed.set()

    source = Source()
    async with serving(with_tokens(watch)) as server, open_hub(server.url) as hub:
        sending = asyncio.create_task(upload(hub, source))
        await begun.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert source.open == 0
        await asyncio.wait_for(closed.wait(), 5)


async def test_a_deadline_of_the_caller_ends_an_upload(open_hub: Callable[..., object]) -> None:
    async with serving(with_tokens(stall)) as server, open_hub(server.url) as hub:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await upload(hub, Source())


async def test_a_hub_that_stops_reading_is_unavailable_after_the_time_out_of_one_piece(
    open_hub: Callable[..., object],
) -> None:
    async with (
        serving(with_tokens(stall)) as server,
        open_hub(server.url, HTTP__READ_TIMEOUT_SECONDS="0.3") as hub,
    ):
        started = time.monotonic()
        with pytest.raises(HubUnavailable, match="WriteTimeout"):
            await upload(hub, Source())

    assert time.monotonic() - started < 5


async def test_the_time_out_does_not_bound_an_upload_that_moves(open_hub: Callable[..., object]) -> None:
    async def slow(peer: Peer) -> None:
        left = int(peer.headers["content-length"])
        while left:
            await asyncio.sleep(0.01)
            left -= len(await peer.reader.read(min(left, MEBIBYTE)))
        await peer.answer(201, stored(30 * MEBIBYTE))

    async with (
        serving(with_tokens(slow)) as server,
        open_hub(server.url, HTTP__READ_TIMEOUT_SECONDS="1") as hub,
    ):
        started = time.monotonic()
        await upload(hub, Source(30 * MEBIBYTE), 30 * MEBIBYTE)

    assert time.monotonic() - started > 1


async def test_the_hub_may_take_its_time_after_the_last_byte(open_hub: Callable[..., object]) -> None:
    async def thoughtful(peer: Peer) -> None:
        await peer.body(peer.headers)
        await asyncio.sleep(0.6)
        await peer.answer(201, stored(10))

    async with serving(with_tokens(thoughtful)) as server:
        async with open_hub(server.url, HTTP__CONNECT_TIMEOUT_SECONDS="0.5") as hub:
            await upload(hub, Source(10), 10)
        async with open_hub(server.url, HTTP__READ_TIMEOUT_SECONDS="0.2") as hub:
            with pytest.raises(HubUnavailable, match="ReadTimeout"):
                await upload(hub, Source(10), 10)


def test_early_answers_are_understood_on_uvloop_as_well(open_hub: Callable[..., object]) -> None:
    """The agent runs on uvloop, whose transports differ from asyncio's."""

    async def refuse(peer: Peer) -> None:
        await peer.reader.readexactly(MEBIBYTE)
        await peer.answer(409, error(409))
        await asyncio.sleep(0.02)
        await slam(peer)

    async def main() -> None:
        async with serving(with_tokens(refuse)) as server, open_hub(server.url) as hub:
            for _ in range(20):
                with pytest.raises(HubRefused):
                    await asyncio.wait_for(upload(hub, Source()), 20)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_an_answer_just_before_a_reset_is_not_lost(open_hub: Callable[..., object]) -> None:
    """A server of its own thread, which closes with unread data the moment it has answered."""

    def answer(client: socket.socket) -> None:
        with client:
            head = client.recv(1 << 16)
            if head.startswith(b"POST /token"):
                body, status = TOKEN, b"200"
            else:
                body, status = error(409), b"409"
                for _ in range(20):
                    client.recv(1 << 16)
            kind = b"Content-Type: application/json\r\nConnection: close\r\n"
            client.sendall(
                b"HTTP/1.1 %b X\r\n%bContent-Length: %d\r\n\r\n%b" % (status, kind, len(body), body)
            )

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    async def main(url: str) -> None:
        async with open_hub(url) as hub:
            for _ in range(20):
                with pytest.raises(HubRefused):
                    await asyncio.wait_for(upload(hub, Source()), 20)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        asyncio.run(main(f"http://127.0.0.1:{listener.getsockname()[1]}"))


async def test_uploads_one_after_the_other_share_a_connection(open_hub: Callable[..., object]) -> None:
    async def accept(peer: Peer) -> None:
        body = await peer.body(peer.headers)
        await peer.answer(201, stored(body.count(0)))
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                _, headers = await peer.head()
                body = await peer.body(headers)
                await peer.answer(201, stored(body.count(0)))

    async with serving(with_tokens(accept)) as server, open_hub(server.url) as hub:
        for _ in range(3):
            await upload(hub, Source(2 * MEBIBYTE), 2 * MEBIBYTE)
        assert server.connections == 2  # one for the token
