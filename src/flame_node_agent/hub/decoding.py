"""Bodies of answers in blocks of bounded size, decompressed where the hub has compressed them.

httpx decompresses each block it receives at once: 64 KiB of gzip can become 64 MiB of zeros. Here no block is longer
than the size that was asked for.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Iterator

import httpx

BLOCK_BYTES = 256 * 1024
_GZIP = 16 + zlib.MAX_WBITS


class Garbled(Exception):
    """A body that is not what its headers say; a repeat may bring a better one."""


async def blocks(response: httpx.Response, size: int = BLOCK_BYTES) -> AsyncGenerator[bytes]:
    """Read the body in blocks of at most ``size`` bytes, decompressed.

    Raises:
        Garbled: an encoding nobody asked for, damaged or cut off compressed data.
        httpx.RequestError: the connection broke.
    """
    match response.headers.get("Content-Encoding", "identity").strip().lower():
        case "identity" | "":
            async for block in response.aiter_raw(size):
                yield block
        case "gzip" | "x-gzip":
            inflating = Inflating(size)
            async for block in response.aiter_raw(size):
                for inflated in inflating.feed(block):
                    yield inflated
            inflating.finish()
        case other:
            raise Garbled(f"content encoding {other[:20]!r}, which was not asked for")


class Inflating:
    """Decompresses gzip (RFC 1952, any number of members) piece by piece."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._member = zlib.decompressobj(_GZIP)
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give what ``data`` holds in pieces of at most the size; raises :class:`Garbled`."""
        inflated = b""
        # A full block may leave more behind within zlib, although all of the input is taken up.
        while data or (len(inflated) == self._size and not self._member.eof):
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP)
            self._begun = True
            try:
                inflated = self._member.decompress(data, self._size)
            except zlib.error as error:
                raise Garbled(f"damaged gzip data ({error})") from error
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if inflated:
                yield inflated

    def finish(self) -> None:
        """Raise :class:`Garbled` unless the data came to their end."""
        if self._begun and not self._member.eof:
            raise Garbled("gzip data that end too early")
