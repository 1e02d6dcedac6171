"""Forms: what is understood, what is refused, and that nothing is collected that need not be."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError

from flame_node_agent.errors import Refused
from flame_node_agent.results import limits
from flame_node_agent.results.form import FilePart, Form
from flame_node_agent.results.limits import SizeLimit
from tests.unit.results.multipart_samples import BOUNDARY, Pieces, body, field, file, part


def form_of(pieces: bytes | Iterable[bytes], *, fields: Iterable[str] = ("tag",), max_bytes: int = 0) -> Form:
    source = Pieces([pieces] if isinstance(pieces, bytes) else pieces)
    return Form(source, BOUNDARY, fields=tuple(fields), size_limit=SizeLimit(max_bytes))


async def read(form: Form) -> bytes:
    """Read the whole form as the routes do."""
    await form.require_file()
    content = b"".join([chunk async for chunk in form.content()])
    await form.finish()
    form.check()
    return content


async def problems(form: Form) -> list[dict[str, Any]]:
    with pytest.raises(RequestValidationError) as caught:
        await read(form)
    return list(caught.value.errors())


async def refusal(form: Form) -> Refused:
    with pytest.raises(Refused) as caught:
        await read(form)
    return caught.value


async def test_file_and_fields_on_both_sides_of_it_are_understood() -> None:
    form = form_of(
        body(field("one", "1"), file(b"content", "a.txt", "Content-Type: text/plain"), field("two", "2")),
        fields=("one", "two"),
    )
    assert await read(form) == b"content"
    assert form.fields == {"one": "1", "two": "2"}
    assert form.file == FilePart("a.txt", "text/plain")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
async def test_form_is_understood_in_pieces_of_any_size(size: int) -> None:
    whole = body(field("tag", "a-tag"), file(b"\r\n--" + BOUNDARY[:-1].encode() + b"\r\n", "a"))
    form = form_of(whole[start : start + size] for start in range(0, len(whole), size))
    assert await read(form) == b"\r\n--" + BOUNDARY[:-1].encode() + b"\r\n"
    assert form.fields == {"tag": "a-tag"}


async def test_content_is_handed_on_before_the_body_is_complete() -> None:
    whole = body(file(b"x" * 3000))
    source = Pieces([whole[:1000], whole[1000:2000], whole[2000:]])
    form = Form(source, BOUNDARY, fields=(), size_limit=SizeLimit(0))
    await form.require_file()
    assert source.given == 1
    assert await form.next_chunk()
    assert source.given == 1


async def test_empty_file_is_a_file() -> None:
    assert await read(form_of(body(file(b"")))) == b""


async def test_content_type_defaults_to_bytes() -> None:
    form = form_of(body(file(b"x")))
    await read(form)
    assert form.file is not None
    assert form.file.content_type == "application/octet-stream"


@pytest.mark.parametrize("value", ["text/plain\x01", "x" * 300, "\xe4/\xf6", " "])
async def test_content_type_that_is_no_header_value_is_replaced(value: str) -> None:
    form = form_of(body(file(b"x", "a", f"Content-Type: {value}")))
    await read(form)
    assert form.file is not None
    assert form.file.content_type == "application/octet-stream"


async def test_other_fields_and_files_are_dropped() -> None:
    form = form_of(body(field("other", "x" * 200_000), part('; name="more"; filename="m"', b"y"), file(b"z")))
    assert await read(form) == b"z"
    assert form.fields == {}


async def test_last_of_several_values_counts() -> None:
    form = form_of(body(field("tag", "one"), file(), field("tag", "two")))
    await read(form)
    assert form.fields == {"tag": "two"}


async def test_empty_value_is_a_value() -> None:
    form = form_of(body(field("tag", ""), file()))
    await read(form)
    assert form.fields == {"tag": ""}


async def test_text_that_is_no_utf8_is_latin1() -> None:
    form = form_of(body(field("tag", "ü".encode()), file(), field("other", b"\xfc")), fields=("tag", "other"))
    await read(form)
    assert form.fields == {"tag": "ü", "other": "ü"}


# What is missing or of the wrong kind


async def test_missing_file_is_told_as_fastapi_does() -> None:
    missing = {"type": "missing", "loc": ["body", "file"], "msg": "Field required", "input": None}
    assert await problems(form_of(body(field("tag", "x")))) == [missing]
    assert await problems(form_of(b"")) == [missing]
    assert await problems(form_of(body())) == [missing]
    assert await problems(Form(Pieces([b"{}"]), None, fields=(), size_limit=SizeLimit(0))) == [missing]


async def test_file_sent_as_text_is_told_as_fastapi_does() -> None:
    expected = {
        "type": "value_error",
        "loc": ["body", "file"],
        "msg": "Value error, Expected UploadFile, received: <class 'str'>",
        "input": "text",
        "ctx": {"error": {}},
    }
    assert await problems(form_of(body(field("file", "text")))) == [expected]
    assert await problems(form_of(body(file(), field("file", "text")))) == [expected]


async def test_file_after_a_text_of_the_same_name_counts() -> None:
    assert await read(form_of(body(field("file", "text"), file(b"real")))) == b"real"


async def test_field_sent_as_file_is_refused() -> None:
    sent = body(part('; name="tag"; filename="t"', b"x"), file())
    assert [(problem["type"], problem["loc"]) for problem in await problems(form_of(sent))] == [
        ("string_type", ["body", "tag"])
    ]
    form = form_of(body(part('; name="tag"; filename="t"', b"x"), file(), field("tag", "text")))
    await read(form)
    assert form.fields == {"tag": "text"}


async def test_second_file_is_refused() -> None:
    found = await problems(form_of(body(file(b"one"), file(b"two"))))
    assert [(problem["type"], problem["msg"]) for problem in found] == [
        ("value_error", "Value error, Expected a single file")
    ]


# What is no form


@pytest.mark.parametrize(
    "broken",
    [
        b"no form at all",
        body(file())[:-4],
        body(file())[:40],
        b"--" + BOUNDARY.encode(),
        b"--" + BOUNDARY.encode() + b"\r\n\r\ncontent\r\n--" + BOUNDARY.encode() + b"--\r\n",
        body(b"Content-Disposition: attachment; name=file\r\n\r\nx"),
        body(b"Content-Disposition form-data\r\n\r\nx"),
        body(file(b"x", "a", "Content-Length: 5")),
        body(file()).replace(b"\r\n", b"\n"),
    ],
)
async def test_body_that_is_no_form_is_refused(broken: bytes) -> None:
    refused = await refusal(form_of(broken))
    assert refused.status == 400
    assert refused.detail.startswith("The multipart body cannot be read: ")


async def test_part_without_name_is_refused() -> None:
    refused = await refusal(form_of(body(part('; filename="a"', b"x"))))
    assert (refused.status, refused.detail) == (
        400,
        'The Content-Disposition header field "name" must be provided.',
    )


# Limits


async def test_overlong_field_is_refused_without_being_collected() -> None:
    chunk = b"x" * 65_536
    start = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="tag"\r\n\r\n'.encode()
    form = form_of([start, *[chunk] * 100])
    refused = await refusal(form)
    assert (refused.status, refused.detail) == (
        400,
        f"The form field 'tag' is longer than {limits.MAX_FIELD_BYTES} bytes",
    )


async def test_too_many_parts_are_refused() -> None:
    refused = await refusal(form_of(body(*[field("x", "")] * (limits.MAX_PARTS + 1))))
    assert refused.status == 400


@pytest.mark.parametrize(
    "headers",
    [
        [f"X-{number}: y" for number in range(limits.MAX_PART_HEADERS)],
        ["X: " + "y" * limits.MAX_PART_HEADER_BYTES],
    ],
)
async def test_too_many_or_too_long_part_headers_are_refused(headers: list[str]) -> None:
    assert (await refusal(form_of(body(file(b"x", "a", *headers))))).status == 400


async def test_endless_part_header_is_refused_without_being_collected() -> None:
    start = f"--{BOUNDARY}\r\nContent-Disposition: form-data; ".encode()
    source = Pieces([start, *[b"x" * 4096] * 1000])
    form = Form(source, BOUNDARY, fields=(), size_limit=SizeLimit(0))
    assert (await refusal(form)).status == 400
    assert source.given < 10


async def test_name_of_four_kilobytes_is_accepted_and_a_longer_one_refused() -> None:
    name = "ü" * 2048
    form = form_of(body(file(b"x", name)))
    await read(form)
    assert form.file is not None
    assert form.file.filename == name
    refused = await refusal(form_of(body(file(b"x", f"{name}x"))))
    assert (refused.status, refused.detail) == (400, "The file name is longer than 4096 bytes")


async def test_name_with_nul_is_refused() -> None:
    refused = await refusal(form_of(body(file(b"x", "a\x00b"))))
    assert (refused.status, refused.detail) == (400, "The file name must not contain NUL characters")


async def test_file_up_to_the_limit_is_accepted_and_one_more_byte_refused() -> None:
    assert len(await read(form_of(body(file(b"x" * 1000)), max_bytes=1000))) == 1000
    refused = await refusal(form_of(body(file(b"x" * 1001)), max_bytes=1000))
    assert (refused.status, refused.detail) == (
        413,
        "The file is larger than the 1000 bytes that this node accepts",
    )


async def test_body_far_beyond_the_limit_is_refused_whatever_it_holds() -> None:
    filler = part('; name="more"; filename="m"', b"y" * (limits.FORM_OVERHEAD_BYTES + 1000))
    assert (await refusal(form_of(body(filler, file(b"x")), max_bytes=10))).status == 413


async def test_memory_is_flat_for_a_large_file() -> None:
    chunk = b"x" * 262_144
    start = body(file(b"")).partition(f"\r\n--{BOUNDARY}--".encode())[0]
    form = form_of([start, *[chunk] * 400, f"\r\n--{BOUNDARY}--\r\n".encode()])
    tracemalloc.start()
    try:
        await form.require_file()
        received = 0
        async for piece in form.content():
            received += len(piece)
        await form.finish()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert received == 400 * len(chunk)
    assert peak < 4 * len(chunk)
