"""Forms of any content, in any order, cut anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import httpx
from fastapi.exceptions import RequestValidationError
from hypothesis import assume, example, given
from hypothesis import strategies as st

from flame_node_agent.errors import Refused
from flame_node_agent.results.form import Form
from flame_node_agent.results.limits import SizeLimit
from tests.unit.results.multipart_samples import BOUNDARY, Pieces, body, field, file, part

DELIMITER = f"\r\n--{BOUNDARY}".encode()

# Content that looks like what ends it.
tricky = st.lists(
    st.sampled_from([b"\r", b"\n", b"-", b"--", DELIMITER[:-1], DELIMITER[2:], DELIMITER + b"!"])
    | st.binary(max_size=20),
    max_size=20,
).map(b"".join)
contents = tricky.filter(lambda content: DELIMITER not in b"\r\n" + content)
names = st.text(min_size=1, max_size=60).filter(lambda name: "\x00" not in name)
cuts = st.lists(st.integers(min_value=0, max_value=100_000), max_size=30)


def in_pieces(whole: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(whole), *(cut % (len(whole) + 1) for cut in cuts)})
    return [whole[start:end] for start, end in pairwise(places)]


def read(pieces: Sequence[bytes], *, max_bytes: int = 0, boundary: str = BOUNDARY) -> tuple[Form, bytes]:
    form = Form(Pieces(pieces), boundary, fields=("tag",), size_limit=SizeLimit(max_bytes))

    async def whole() -> bytes:
        await form.require_file()
        content = b"".join([chunk async for chunk in form.content()])
        await form.finish()
        form.check()
        return content

    return form, asyncio.run(whole())


def outcome(whole: bytes, cuts: Sequence[int], *, max_bytes: int = 0) -> object:
    try:
        read(in_pieces(whole, cuts), max_bytes=max_bytes)
    except Refused as refusal:
        return refusal.status
    except RequestValidationError:
        return 422
    return "understood"


@given(content=contents, tag=contents, junk=contents, order=st.permutations(range(3)), cuts=cuts)
@example(content=DELIMITER[2:-1] + b"\r\n", tag=b"", junk=b"", order=[0, 1, 2], cuts=list(range(400)))
def test_form_is_understood_in_any_order_and_any_pieces(
    content: bytes, tag: bytes, junk: bytes, order: list[int], cuts: list[int]
) -> None:
    parts = [file(content), field("tag", tag), part('; name="junk"; filename="j"', junk)]
    form, received = read(in_pieces(body(*(parts[index] for index in order)), cuts))
    assert received == content
    assert form.fields["tag"].encode("latin-1" if not _is_utf8(tag) else "utf-8") == tag


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


@given(name=names, content=st.binary(max_size=100), cuts=cuts)
@example(name='../..\\"; filename="x', content=b"", cuts=[])
@example(name="ends with \\", content=b"", cuts=[])
@example(name="\r\nContent-Type: text/html\r\n\r\n", content=b"", cuts=[])
def test_name_that_httpx_sends_is_the_name_that_arrives(name: str, content: bytes, cuts: list[int]) -> None:
    # These stand for the characters that httpx and browsers encode, so a name that holds them is ambiguous.
    assume(not any(code in name for code in ("%22", "%0D", "%0A")))
    request = httpx.Request("PUT", "http://x/", files={"file": (name, content)})
    boundary = request.headers["content-type"].partition("boundary=")[2]
    form, received = read(in_pieces(request.read(), cuts), boundary=boundary)
    assert received == content
    assert form.file is not None
    # httpx encodes all control characters but decodes none: the others stay as they are on the wire.
    expected = "".join(
        f"%{ord(char):02X}" if ord(char) < 0x20 and char not in "\r\n\x1b" else char for char in name
    )
    assert form.file.filename == expected


@given(content=contents, length=st.integers(min_value=0, max_value=100_000), cuts=cuts)
def test_cut_body_is_never_taken_for_a_whole_one(content: bytes, length: int, cuts: list[int]) -> None:
    whole = body(field("tag", "a"), file(content))
    end = whole.rindex(b"--\r\n") + 2
    try:
        read(in_pieces(whole[: length % end], cuts))
    except (Refused, RequestValidationError):
        return
    raise AssertionError("a part was taken for the whole")


@given(
    whole=st.binary(max_size=2000) | st.lists(contents, max_size=4).map(lambda parts: body(*parts)), cuts=cuts
)
def test_body_of_any_bytes_is_understood_or_refused(whole: bytes, cuts: list[int]) -> None:
    assert outcome(whole, cuts) in {"understood", 400, 422}


@given(
    content=contents,
    place=st.integers(min_value=0, max_value=100_000),
    change=st.binary(max_size=8),
    removed=st.integers(min_value=0, max_value=8),
    cuts=cuts,
)
def test_damaged_form_is_understood_or_refused(
    content: bytes, place: int, change: bytes, removed: int, cuts: list[int]
) -> None:
    whole = body(field("tag", "a"), file(content, "näme.bin", "Content-Type: text/plain"))
    place %= len(whole)
    try:
        _, received = read(in_pieces(whole[:place] + change + whole[place + removed :], cuts))
    except (Refused, RequestValidationError):
        return
    assert len(received) <= len(whole) + len(change)


@given(size=st.integers(min_value=0, max_value=300), limit=st.integers(min_value=1, max_value=300), cuts=cuts)
def test_file_is_accepted_exactly_up_to_the_limit(size: int, limit: int, cuts: list[int]) -> None:
    expected = "understood" if size <= limit else 413
    assert outcome(body(file(b"x" * size)), cuts, max_bytes=limit) == expected


@given(boundary=st.text("abcXYZ019'()+_,-./:=? ", min_size=1, max_size=70), content=contents, cuts=cuts)
def test_any_boundary_of_the_standard_is_understood(boundary: str, content: bytes, cuts: list[int]) -> None:
    assume(not boundary.endswith(" "))
    assume(f"\r\n--{boundary}".encode() not in b"\r\n" + content)
    _, received = read(in_pieces(body(file(content), boundary=boundary), cuts), boundary=boundary)
    assert received == content
