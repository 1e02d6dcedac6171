"""The bytes of an upload as they leave: read from the object store, sealed if they are for another node, paced."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiolimiter import AsyncLimiter
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from flame_node_agent.crypto.keys import parse_peer_key, shared_key
from flame_node_agent.crypto.sealing import digest_of, seal, sealed_size
from flame_node_agent.errors import ObjectDamaged
from flame_node_agent.stores.objects import READ_BLOCK, ObjectStore
from flame_node_agent.stores.uploads import Upload


class Pace:
    """A cap on the bytes per second of all uploads of this agent together; 0 means no cap."""

    def __init__(self, bytes_per_second: int) -> None:
        self._limiter = AsyncLimiter(bytes_per_second, 1.0) if bytes_per_second else None
        self.block = min(READ_BLOCK, bytes_per_second) if bytes_per_second else READ_BLOCK

    async def wait_for(self, size: int) -> None:
        """Wait until ``size`` more bytes (at most a second's worth at once) may leave."""
        while self._limiter is not None and size > 0:
            step = min(size, int(self._limiter.max_rate))
            await self._limiter.acquire(step)
            size -= step


@dataclass(frozen=True)
class Sent:
    """Size in bytes and SHA-256 (hex) of the bytes as they cross the wire."""

    size: int
    sha256: str


class Source:
    """What one upload sends. Every pass over it gives the same bytes."""

    def __init__(
        self, upload: Upload, objects: ObjectStore, key: EllipticCurvePrivateKey, pace: Pace
    ) -> None:
        """Raises PeerKeyInvalid or TooLargeToSeal when the upload can never be sealed."""
        self._upload = upload
        self._objects = objects
        self._pace = pace
        self._key: bytes | None = None
        self.size = upload.size
        if upload.recipient is not None:
            self._key = shared_key(key, parse_peer_key(upload.recipient.public_key_hex, key))
            self.size = sealed_size(upload.size)
        self._passed: Sent | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes to send, at the agreed pace.

        Raises:
            ObjectDamaged: the store no longer gives what it was given; said before the last bytes are handed on, so
                that nobody takes what was sent for the file.
        """
        digest = hashlib.sha256()
        size = 0
        async for chunk in self._content(self._pace.block):
            await self._pace.wait_for(len(chunk))
            if self._key is not None:
                digest.update(chunk)
            size += len(chunk)
            yield chunk
        self._passed = Sent(size, digest.hexdigest() if self._key is not None else self._upload.sha256)

    async def sent(self) -> Sent:
        """Size and hash of those bytes, from the last complete pass or by making one that goes nowhere."""
        if self._passed is None:
            if self._key is None:
                return Sent(self._upload.size, self._upload.sha256)
            self._passed = Sent(*await digest_of(self._content(READ_BLOCK)))
        return self._passed

    async def _content(self, block: int) -> AsyncIterator[bytes]:
        async with self._objects.read(self._upload.object_key) as reader:
            stored = _unchanged(reader.chunks(block), self._upload)
            if self._key is not None:
                assert self._upload.seal_nonce is not None
                stored = seal(stored, self._key, self._upload.seal_nonce)
            async for chunk in stored:
                yield chunk


async def _unchanged(chunks: AsyncIterator[bytes], upload: Upload) -> AsyncIterator[bytes]:
    """Hold the last chunk back until size and hash of the whole have proved to be those that were accepted."""
    digest = hashlib.sha256()
    size = 0
    held = b""
    async for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        if size > upload.size:
            break
        if held:
            yield held
        held = chunk
    if (size, digest.hexdigest()) != (upload.size, upload.sha256):
        raise ObjectDamaged(f"{upload.object_key} is not what was stored: {size} bytes with another hash")
    if held:
        yield held
