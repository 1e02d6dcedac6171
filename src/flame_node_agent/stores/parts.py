"""How a stream of unknown length is cut into the parts of an S3 multipart upload.

S3 allows 10,000 parts of 5 MiB to 5 GiB. Parts begin small so that memory stays small, and grow so that an object
of a few hundred gigabytes still fits: 1,000 x 5 MiB + 4,000 x 16 MiB + 5,000 x 64 MiB = 379 GiB.
(Amazon S3 user guide, "multipart upload limits")
"""

from __future__ import annotations

from collections import deque

from flame_node_agent.errors import ObjectStoreError

MIB = 1024 * 1024
MAXIMUM_PARTS = 10_000


def part_size(number: int) -> int:
    """Bytes of the ``number``-th part (from 1); ObjectStoreError beyond the last."""
    if number > MAXIMUM_PARTS:
        raise ObjectStoreError("an object may have at most 10,000 parts (379 GiB as they are cut here)")
    if number <= 1_000:
        return 5 * MIB
    return 16 * MIB if number <= 5_000 else 64 * MIB


class PartBuffer:
    """Collects chunks and gives them back in pieces of an exact size; every byte is copied once."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self.size = 0

    def append(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take a chunk; one that its owner may overwrite is copied."""
        if len(chunk):
            self._chunks.append(chunk if isinstance(chunk, bytes) else bytes(chunk))
            self.size += len(chunk)

    def take(self, size: int) -> bytes:
        """The first ``size`` bytes, which must be there."""
        taken: list[bytes] = []
        missing = size
        while missing:
            chunk = self._chunks.popleft()
            if len(chunk) > missing:
                self._chunks.appendleft(chunk[missing:])
                chunk = chunk[:missing]
            taken.append(chunk)
            missing -= len(chunk)
        self.size -= size
        return taken[0] if len(taken) == 1 else b"".join(taken)
