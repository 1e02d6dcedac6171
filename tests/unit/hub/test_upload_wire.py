"""Uploads on real connections: early answers, broken sources, cancellation, reuse."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from flame_node_agent.errors import HubRefused, HubUnavailable, HubUnexpected, ObjectStoreUnavailable
from tests.unit.hub.authorities import Authority
from tests.unit.hub.servers import Handler, Peer, serving
from tests.unit.hub.uploading import (
    HUGE,
    MEBIBYTE,
    TOKEN,
    Source,
    drain,
    error,
    linger,
    slam,
    stall,
    stored,
    upload,
    with_tokens,
)


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
