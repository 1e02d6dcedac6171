"""The body of an upload."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multipart import PushMultipartParser

from flame_node_agent.hub.multipart import (
    PIECE_BYTES,
    FilePart,
    Sending,
    SourceFailed,
    sent_name,
    stored_names,
)


def part(content: bytes = b"abc", name: str = "r.csv", size: int | None = None) -> FilePart:
    async def chunks() -> AsyncIterator[bytes]:
        yield content

    return FilePart(name=name, size=len(content) if size is None else size, chunks=chunks)


async def sent(of: FilePart) -> bytes:
    return b"".join([piece async for piece in Sending(of)])


@given(content=st.binary(max_size=300), name=st.text(min_size=1))
async def test_the_announced_length_is_the_length(content: bytes, name: str) -> None:
    of = part(content, name)

    assert of.headers["Content-Length"] == str(len(await sent(of)))


@given(content=st.binary(max_size=300), name=st.text(min_size=1))
async def test_any_name_and_content_is_read_back_by_a_strict_parser(content: bytes, name: str) -> None:
    of = part(content, name)
    events = list(PushMultipartParser(of.boundary).parse(await sent(of)))
    head, body = events[0], b"".join(bytes(event) for event in events[1:-1] if event is not None)

    assert body == content
    assert UUID(head.name)
    assert events.count(None) >= 1


@pytest.mark.parametrize(
    "name",
    ["r.csv", 'quo"ted', "two\r\nlines", "back\\slash", "ä €.csv", "a;b=c", "%22", "dir/r", " ", "a\x00b"],
)
async def test_it_is_what_httpx_would_have_sent(name: str) -> None:
    of = part(b"content", name)
    theirs = httpx.Request(
        "POST",
        "http://hub.example",
        files={of.field_name: (name, b"content", "application/octet-stream")},
        headers={"Content-Type": of.headers["Content-Type"]},
    )

    assert await sent(of) == theirs.read()
    assert of.headers["Content-Length"] == theirs.headers["Content-Length"]


@given(st.text(min_size=1))
def test_no_name_leaves_its_quotes_or_its_line(name: str) -> None:
    head = part(name=name).head.decode()

    assert re.search(r'; filename="(?:[^"\\\x00-\x1f\x7f]|\\\\)*"\r\nContent-Type: ', head)
    assert head.count("\r\n") == 4


def test_what_utf_8_cannot_write_becomes_a_question_mark() -> None:
    assert sent_name("bad\udcffname") == "bad?name"


def test_a_hub_may_have_read_a_name_as_latin_1() -> None:
    assert stored_names("ä.csv") == {"ä.csv", "Ã¤.csv"}
    assert stored_names('"') == {'"', "%22"}
    assert stored_names("plain.csv") == {"plain.csv"}


def test_a_file_goes_out_as_bytes_of_no_particular_type() -> None:
    assert b"\r\nContent-Type: application/octet-stream\r\n\r\n" in part().head


def test_every_upload_has_names_of_its_own() -> None:
    one, two = part(), part()

    assert one.boundary != two.boundary
    assert one.field_name != two.field_name


def test_a_file_without_a_name_is_refused_here() -> None:
    with pytest.raises(ValueError, match="name"):
        part(name="")


async def test_large_chunks_go_out_in_pieces() -> None:
    pieces = [len(piece) async for piece in Sending(part(bytes(2 * PIECE_BYTES + 5)))]

    assert pieces[1:-1] == [PIECE_BYTES, PIECE_BYTES, 5]


@pytest.mark.parametrize("size", [2, 4])
async def test_a_source_of_another_length_fails(size: int) -> None:
    sending = Sending(part(b"abc", size=size))
    with pytest.raises(SourceFailed):
        async for _ in sending:
            pass

    assert isinstance(sending.failure, ValueError)
    assert not sending.complete


async def test_a_part_can_be_sent_again_from_its_start() -> None:
    of = part(b"abc")

    assert await sent(of) == await sent(of)


async def test_a_sending_that_is_given_up_lets_go_of_its_source() -> None:
    closed = []

    async def chunks() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            closed.append(True)

    sending = Sending(FilePart(name="r", size=100, chunks=chunks))
    async for piece in sending:
        if piece == b"x":
            break
    await sending.aclose()

    assert closed == [True]
