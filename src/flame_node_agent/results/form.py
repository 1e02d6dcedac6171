"""multipart/form-data (RFC 7578), understood while it arrives.

One part named ``file`` is handed on chunk by chunk; text fields before and after it are collected, bounded in
size and number; everything else is read and dropped. What is wrong with the fields is told the way FastAPI
tells it, because clients of the FLAME Node Result Service know that form.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from flame_node_agent.errors import Refused
from flame_node_agent.results import filenames, limits
from flame_node_agent.results.body import RequestBody
from flame_node_agent.results.disposition import PartHeaders, part_headers, text_of
from flame_node_agent.results.limits import SizeLimit

FILE = "file"
"""The field that holds the file, on every route."""

Problem = dict[str, Any]
"""One entry of FastAPI's list of validation errors."""


class Source(Protocol):
    """Where the bytes come from; none at the end."""

    async def read(self) -> bytes: ...


@dataclass(frozen=True)
class FilePart:
    """What the form says of its file, besides the content."""

    filename: str
    content_type: str


class Form:
    """One request body: :meth:`open_file`, :meth:`content`, :meth:`finish`, :meth:`check`, in this order."""

    def __init__(
        self, source: Source, boundary: str | None, *, fields: Collection[str], size_limit: SizeLimit
    ) -> None:
        """Read ``fields`` and the file from ``source``; without a boundary all of them are missing."""
        self.fields: dict[str, str] = {}
        self.file: FilePart | None = None
        self._source = source
        self._wanted = frozenset(fields) | {FILE}
        self._size_limit = size_limit
        self._parser = _parser(boundary) if boundary is not None else None
        self._events: Iterator[MultipartSegment | bytes | None] = iter(())
        self._problems: dict[str, Problem] = {}
        self._received = 0
        self._file_received = 0
        self._in_file = False
        self._field: str | None = None
        self._value = bytearray()

    @classmethod
    def of(cls, request: Request, *, fields: Collection[str] = (), size_limit: SizeLimit) -> Form:
        """Begin to read a request.

        Raises:
            Refused: 400 for a form without a usable boundary, 413 for one that is announced as too large.
        """
        size_limit.check_announced(request.headers.get("content-length"))
        return cls(
            RequestBody(request.receive),
            _boundary(request.headers.get("content-type", "")),
            fields=fields,
            size_limit=size_limit,
        )

    async def open_file(self) -> FilePart | None:
        """Read up to the content of the file; None when the form has none.

        Raises:
            Refused: 400 for a body that is no valid form or breaks a limit, 413.
            ClientDisconnect: the client has gone.
        """
        while self.file is None and await self._step():
            pass
        return self.file

    async def require_file(self) -> FilePart:
        """Like :meth:`open_file` for a form that must have one.

        Raises:
            RequestValidationError: it has none.
        """
        return await self.open_file() or self.check()

    def content(self) -> FileContent:
        """Iterate over the file's content, once; errors as in :meth:`open_file`."""
        return FileContent(self)

    async def next_chunk(self) -> bytes | None:
        """Give the next bytes of the file's content, or None at its end."""
        while self._in_file:
            chunk = await self._step()
            if isinstance(chunk, bytes):
                return chunk
        return None

    async def finish(self) -> None:
        """Read to the end and drop what is left of the file; errors as in :meth:`open_file`."""
        while await self._step():
            pass

    def check(self, problems: Sequence[Problem] = ()) -> FilePart:
        """Refuse what is missing or of the wrong kind, together with the ``problems`` of the caller's fields.

        To be called after the end of the form.

        Raises:
            RequestValidationError: answered with 422.
        """
        if self.file is None and FILE not in self._problems:
            self._problems[FILE] = missing(FILE)
        # In the order in which the FLAME Node Result Service names them: the file first.
        found = sorted(self._problems.values(), key=lambda problem: problem["loc"] != ["body", FILE])
        known = {tuple(problem["loc"]) for problem in found}
        found += [problem for problem in problems if tuple(problem["loc"]) not in known]
        if found or self.file is None:
            raise RequestValidationError(found)
        return self.file

    async def _step(self) -> bytes | bool:
        """Understand one event: false at the end; the bytes themselves if they are the file's content."""
        event = await self._next_event()
        if event is _END:
            return False
        if isinstance(event, bytes):
            return self._on_bytes(event)
        if event is None:
            self._on_part_end()
        elif isinstance(event, MultipartSegment):
            self._on_part(part_headers(event.headerlist))
        return True

    async def _next_event(self) -> object:
        if self._parser is None:
            return _END
        try:
            while True:
                for event in self._events:
                    return event
                chunk = await self._source.read()
                self._received += len(chunk)
                self._size_limit.check_request(self._received)
                if not chunk:
                    if self._received:
                        self._parser.close()
                    self._parser = None
                    return _END
                self._events = self._parser.parse(chunk)
        except MultipartError as error:
            raise Refused(400, f"The multipart body cannot be read: {error}") from error

    def _on_part(self, part: PartHeaders) -> None:
        if part.name is None:
            raise Refused(400, 'The Content-Disposition header field "name" must be provided.')
        if part.name == FILE and part.filename is not None:
            if self.file is not None:
                # Its bytes would have to replace those that are already on their way to the store.
                raise RequestValidationError(
                    [_problem(FILE, "value_error", "Value error, Expected a single file")]
                )
            self.file = FilePart(filenames.accepted(part.filename), part.content_type)
            self._problems.pop(FILE, None)
            self._in_file = True
        elif part.name in self._wanted and part.filename is not None:
            self._problems[part.name] = _problem(part.name, "string_type", "Input should be a valid string")
        elif part.name in self._wanted:
            self._field = part.name
            self._problems.pop(part.name, None)

    def _on_bytes(self, chunk: bytes) -> bytes | bool:
        if self._in_file:
            self._file_received += len(chunk)
            self._size_limit.check_file(self._file_received)
            return chunk
        if self._field is not None:
            self._value += chunk
            if len(self._value) > limits.MAX_FIELD_BYTES:
                raise Refused(
                    400, f"The form field {self._field!r} is longer than {limits.MAX_FIELD_BYTES} bytes"
                )
        return True

    def _on_part_end(self) -> None:
        self._in_file = False
        if self._field is None:
            return
        name, value = self._field, text_of(bytes(self._value))
        self._field = None
        self._value.clear()
        if name == FILE:
            self._problems[FILE] = _problem(
                FILE, "value_error", "Value error, Expected UploadFile, received: <class 'str'>", value
            ) | {"ctx": {"error": {}}}
        else:
            # The last of several wins, as in Starlette's FormData.
            self.fields[name] = value


class FileContent:
    """The content of a form's file as an asynchronous iterator that needs no clean-up when it is dropped."""

    def __init__(self, form: Form) -> None:
        self._form = form

    def __aiter__(self) -> FileContent:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._form.next_chunk()
        if chunk is None:
            raise StopAsyncIteration
        return chunk


def missing(field: str) -> Problem:
    """Say that a required field was not sent."""
    return _problem(field, "missing", "Field required")


def _problem(field: str, kind: str, message: str, value: str | None = None) -> Problem:
    return {"type": kind, "loc": ["body", field], "msg": message, "input": value}


_END = object()


def _boundary(content_type: str) -> str | None:
    media_type, options = parse_options_header(content_type)
    if media_type != "multipart/form-data":
        return None
    boundary: str = options.get("boundary", "")
    if not boundary:
        raise Refused(400, "Missing boundary in multipart.")
    if len(boundary) > limits.MAX_BOUNDARY_BYTES:
        raise Refused(400, f"The multipart boundary is longer than {limits.MAX_BOUNDARY_BYTES} bytes")
    return boundary


def _parser(boundary: str) -> PushMultipartParser:
    # Latin-1 maps every byte to one character; `disposition` finds out what was meant.
    return PushMultipartParser(
        boundary.encode("latin-1"),
        max_header_size=limits.MAX_PART_HEADER_BYTES,
        max_header_count=limits.MAX_PART_HEADERS,
        max_segment_count=limits.MAX_PARTS,
        header_charset="latin-1",
    )
