"""An upload's multipart/form-data body, written by ourselves so that its length is known and its memory flat.

What httpx would write, byte for byte (WHATWG HTML, "multipart/form-data encoding algorithm"), with one part. The hub
reads it with busboy: each part with a file name is a file, the part's own name means nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from uuid import uuid4

PIECE_BYTES = 256 * 1024
"""The most that is written at once, so that the write time-out measures a stall and not a slow line."""
_ESCAPES = {code: f"%{code:02X}" for code in [*range(0x20), 0x22, 0x7F]}

Chunks = Callable[[], AsyncIterator[bytes]]


def sent_name(name: str) -> str:
    """The name as it goes out: what cannot stand in a header is percent-escaped, or a question mark."""
    return name.translate(_ESCAPES).encode("utf-8", errors="replace").decode("utf-8")


def stored_names(name: str) -> frozenset[str]:
    """The paths under which a hub may have filed an upload called ``name``.

    busboy does not undo percent-escapes, and takes file names for Latin-1 unless it is told otherwise (busboy 1,
    ``defParamCharset``), which the hub does not do.
    """
    sent = sent_name(name)
    return frozenset({name, sent, sent.encode("utf-8").decode("latin-1")})


@dataclass(frozen=True)
class FilePart:
    """One file of a known size, whose bytes can be had as often as they must be sent."""

    name: str
    size: int
    chunks: Chunks
    boundary: str = field(default_factory=lambda: uuid4().hex)
    field_name: str = field(default_factory=lambda: str(uuid4()))

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a file without a name would be ignored by the hub")

    @property
    def head(self) -> bytes:
        """What comes before the file's first byte."""
        file_name = sent_name(self.name).replace("\\", "\\\\")
        return (
            f"--{self.boundary}\r\n"
            f'Content-Disposition: form-data; name="{self.field_name}"; filename="{file_name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()

    @property
    def tail(self) -> bytes:
        """What comes after its last byte."""
        return f"\r\n--{self.boundary}--\r\n".encode()

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the request that carries this part alone."""
        return {
            "Content-Type": f"multipart/form-data; boundary={self.boundary}",
            "Content-Length": str(len(self.head) + self.size + len(self.tail)),
        }


class SourceFailed(Exception):
    """The bytes to be sent could not be had; the reason is in :attr:`Sending.failure`.

    The reason itself is kept from the HTTP client, which takes some exceptions for its own.
    """


class Sending:
    """One attempt to send a part; knows afterwards how far it came."""

    def __init__(self, part: FilePart) -> None:
        self._part = part
        self._bytes = self._generate()
        self.complete = False
        """Whether the last byte was handed to the connection."""
        self.failure: Exception | None = None
        """What the source raised."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._bytes

    async def aclose(self) -> None:
        """Let go of the source, wherever the sending stopped."""
        await self._bytes.aclose()

    async def _generate(self) -> AsyncGenerator[bytes]:
        yield self._part.head
        pieces = self._pieces()
        try:
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()
        self.complete = True
        yield self._part.tail

    async def _pieces(self) -> AsyncGenerator[bytes]:
        source = None
        try:
            source = self._part.chunks()
            async for chunk in _measured(source, self._part.size):
                for start in range(0, len(chunk), PIECE_BYTES):
                    yield chunk[start : start + PIECE_BYTES]
        except Exception as error:
            self.failure = error
            raise SourceFailed from error
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()


async def _measured(source: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """Hold a source to the size that was announced; raises ValueError when it has more or less."""
    sent = 0
    async for chunk in source:
        sent += len(chunk)
        if sent > size:
            raise ValueError(f"the source holds more than the {size} bytes announced")
        yield chunk
    if sent < size:
        raise ValueError(f"the source ended after {sent} of {size} bytes")
