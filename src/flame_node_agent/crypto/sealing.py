"""Files sealed by one node for another, as streams.

Two forms are on the wire (FLAME Node Result Service and its successor, the Node Storage Service):

* whole: ``nonce (12) || AES-256-GCM ciphertext || tag (16)`` over the whole file, no associated data;
* chunked: the file cut into pieces of 1,048,548 bytes, each sealed like that, so that the sealed pieces are 1 MiB.

Up to one piece both are the same bytes. Nothing says which form a longer file has, so both are tried at once: a whole
file's first MiB fails as a piece. Sealing writes the whole form, which every generation of nodes can read up to one
piece, and this one at any size.

Plaintext must not be used before its tag was checked. Opening is therefore done in two passes over the same bytes:
:class:`Probe` checks everything and gives nothing away; :func:`open_sealed` decrypts what was checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import AEADDecryptionContext, Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from flame_node_agent.errors import TooLargeToSeal, Unsealable

NONCE_BYTES = 12
TAG_BYTES = 16
OVERHEAD_BYTES = NONCE_BYTES + TAG_BYTES
CHUNK_BYTES = 1024 * 1024
MAXIMUM_PLAINTEXT = (2**39 - 256) // 8  # NIST SP 800-38D, section 5.2.1.1


class SealedForm(StrEnum):
    """How a sealed file is laid out."""

    WHOLE = "whole"
    CHUNKED = "chunked"


def sealed_size(size: int) -> int:
    """Bytes of a sealed file of ``size`` plaintext bytes; TooLargeToSeal beyond 64 GiB - 32 B."""
    if size > MAXIMUM_PLAINTEXT:
        raise TooLargeToSeal(f"{size} bytes are more than one AES-GCM message may hold ({MAXIMUM_PLAINTEXT})")
    return size + OVERHEAD_BYTES


async def seal(chunks: AsyncIterable[bytes], key: bytes, nonce: bytes) -> AsyncIterator[bytes]:
    """Seal a stream in the whole form.

    The same file with the same key and nonce gives the same bytes, so an interrupted upload can be repeated and
    compared. A nonce must never be used for two different files.
    """
    encryptor = Cipher(algorithms.AES(key), modes.GCM(nonce)).encryptor()
    yield nonce
    async for chunk in chunks:
        yield encryptor.update(chunk)
    encryptor.finalize()
    yield encryptor.tag


class _WholeOpener:
    """Decrypts the whole form, holding back what may turn out to be the tag."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._held = bytearray()
        self._decryptor: AEADDecryptionContext | None = None

    def update(self, chunk: bytes) -> bytes:
        self._held += chunk
        if self._decryptor is None:
            if len(self._held) < NONCE_BYTES:
                return b""
            nonce = bytes(self._held[:NONCE_BYTES])
            del self._held[:NONCE_BYTES]
            self._decryptor = Cipher(algorithms.AES(self._key), modes.GCM(nonce)).decryptor()
        ready = len(self._held) - TAG_BYTES
        if ready <= 0:
            return b""
        ciphertext = bytes(self._held[:ready])
        del self._held[:ready]
        return self._decryptor.update(ciphertext)

    def finish(self) -> bytes:
        """Raises Unsealable unless the tag fits."""
        if self._decryptor is None or len(self._held) != TAG_BYTES:
            raise Unsealable("shorter than a nonce and a tag")
        try:
            return self._decryptor.finalize_with_tag(bytes(self._held))
        except InvalidTag as error:
            raise Unsealable("the tag does not fit") from error


class _ChunkedOpener:
    """Decrypts the chunked form piece by piece."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._held = bytearray()
        self._pieces = 0

    def update(self, chunk: bytes) -> bytes:
        self._held += chunk
        opened = []
        while len(self._held) >= CHUNK_BYTES:
            opened.append(self._open(bytes(self._held[:CHUNK_BYTES])))
            del self._held[:CHUNK_BYTES]
        return opened[0] if len(opened) == 1 else b"".join(opened)

    def finish(self) -> bytes:
        if self._pieces and not self._held:
            return b""
        return self._open(bytes(self._held))

    def _open(self, piece: bytes) -> bytes:
        self._pieces += 1
        try:
            return self._cipher.decrypt(piece[:NONCE_BYTES], piece[NONCE_BYTES:], None)
        except (InvalidTag, ValueError) as error:
            raise Unsealable(f"piece {self._pieces} cannot be opened") from error


class Probe:
    """Checks a sealed file without giving any plaintext away."""

    def __init__(self, key: bytes) -> None:
        self._whole = _WholeOpener(key)
        self._chunked: _ChunkedOpener | None = _ChunkedOpener(key)

    def update(self, chunk: bytes) -> None:
        """Look at the next bytes. CPU-bound: about 0.2 ms a MiB, twice that while both forms are possible."""
        self._whole.update(chunk)
        if self._chunked is not None:
            try:
                self._chunked.update(chunk)
            except Unsealable:
                self._chunked = None

    def finish(self) -> SealedForm:
        """Which form the file has.

        Raises:
            Unsealable: neither; it was not sealed with this key, or damaged.
        """
        try:
            self._whole.finish()
        except Unsealable:
            if self._chunked is None:
                raise
            self._chunked.finish()
            return SealedForm.CHUNKED
        return SealedForm.WHOLE


async def open_sealed(chunks: AsyncIterable[bytes], key: bytes, form: SealedForm) -> AsyncIterator[bytes]:
    """Decrypt bytes that a :class:`Probe` has accepted; Unsealable if they are other bytes after all."""
    opener = _WholeOpener(key) if form is SealedForm.WHOLE else _ChunkedOpener(key)
    async for chunk in chunks:
        if opened := opener.update(chunk):
            yield opened
    if opened := opener.finish():
        yield opened


async def digest_of(chunks: AsyncIterable[bytes]) -> tuple[int, str]:
    """Size in bytes and SHA-256 (hex) of a stream."""
    digest = hashlib.sha256()
    size = 0
    async for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
    return size, digest.hexdigest()
