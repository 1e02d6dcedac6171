"""Multipart bodies, written by hand so that they can be wrong."""

from __future__ import annotations

from collections.abc import Iterable

BOUNDARY = "----boundary"


class Pieces:
    """A source that gives a body in the given pieces."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]
        self.given = 0

    async def read(self) -> bytes:
        if self.given == len(self._pieces):
            return b""
        self.given += 1
        return self._pieces[self.given - 1]


def part(disposition: str | bytes, content: bytes = b"", *headers: str) -> bytes:
    raw = disposition if isinstance(disposition, bytes) else disposition.encode()
    lines = [b"Content-Disposition: form-data" + raw, *(header.encode("latin-1") for header in headers)]
    return b"\r\n".join([*lines, b"", content])


def field(name: str, value: str | bytes) -> bytes:
    return part(f'; name="{name}"', value if isinstance(value, bytes) else value.encode())


def file(content: bytes = b"content", name: str = "result.bin", *headers: str) -> bytes:
    return part(f'; name="file"; filename="{name}"', content, *headers)


def body(*parts: bytes, boundary: str = BOUNDARY) -> bytes:
    delimiter = f"--{boundary}".encode()
    return b"".join(delimiter + b"\r\n" + piece + b"\r\n" for piece in parts) + delimiter + b"--\r\n"


def content_type(boundary: str = BOUNDARY) -> dict[str, str]:
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}
