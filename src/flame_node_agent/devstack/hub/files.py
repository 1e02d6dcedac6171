"""Uploaded bytes on disk: written under a temporary name, hashed on the way, made durable, then given their name."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 1 << 20


@dataclass(frozen=True)
class StoredFile:
    """A file that is on disk for good; ``id`` is also its name there."""

    id: str
    size: int
    sha256: str


class FileStore:
    """The folder ``root``: ``incoming/`` while a file arrives, ``files/`` after."""

    def __init__(self, root: Path) -> None:
        self._incoming = root / "incoming"
        self._files = root / "files"
        for folder in (self._incoming, self._files):
            folder.mkdir(parents=True, exist_ok=True)

    def path(self, file_id: str) -> Path:
        return self._files / file_id

    def receive(self, file_id: str) -> IncomingFile:
        """Begin a file."""
        temporary = self._incoming / f"{file_id}.{secrets.token_hex(4)}"
        return IncomingFile(file_id, temporary, self.path(file_id))

    async def discard(self, file_ids: Iterable[str]) -> None:
        """Throw files away; missing ones are fine."""
        for file_id in file_ids:
            await asyncio.to_thread(self.path(file_id).unlink, missing_ok=True)

    def sweep(self, known: frozenset[str]) -> None:
        """After a crash: remove what was still arriving, and files whose record was never committed."""
        for leftover in self._incoming.iterdir():
            leftover.unlink()
        for file in self._files.iterdir():
            if file.name not in known:
                file.unlink()


class IncomingFile:
    """A file that is arriving. Blocks are written and hashed in a thread while the next ones come in."""

    def __init__(self, file_id: str, temporary: Path, final: Path) -> None:
        self._id = file_id
        self._temporary = temporary
        self._final = final
        self._file = temporary.open("xb", buffering=0)
        self._hash = hashlib.sha256()
        self._size = 0
        self._block = bytearray()
        self._writing: asyncio.Task[None] | None = None

    async def write(self, data: bytes) -> None:
        """Add bytes; waits when the disk is slower than the sender."""
        self._size += len(data)
        self._block += data
        if len(self._block) >= _BLOCK:
            await self._settle()
            block, self._block = self._block, bytearray()
            self._writing = asyncio.create_task(asyncio.to_thread(self._write, block))

    async def finish(self) -> StoredFile:
        """Make the file durable under its final name."""
        await self._settle()
        await asyncio.to_thread(self._finish)
        return StoredFile(self._id, self._size, self._hash.hexdigest())

    async def abandon(self) -> None:
        """Forget the file."""
        with contextlib.suppress(OSError):
            await self._settle()
        self._file.close()
        await asyncio.to_thread(self._temporary.unlink, missing_ok=True)

    async def _settle(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            await writing

    def _write(self, block: bytearray) -> None:
        self._hash.update(block)
        view = memoryview(block)
        while view:
            view = view[self._file.write(view) :]

    def _finish(self) -> None:
        self._write(self._block)
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.rename(self._final)
        folder = os.open(self._final.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
