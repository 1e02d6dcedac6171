"""Copy the whole bucket as a tar archive: ``out`` to standard output, ``in`` from standard input.

After ``in`` the bucket holds what the archive holds and nothing else. Memory stays flat whatever the sizes.
"""

import asyncio
import os
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from miniopy_async import Minio

BLOCK = 1024 * 1024
PART = 16 * 1024 * 1024
BUCKET = os.environ["MINIO__BUCKET"]


def client() -> Minio:
    """A client for the object store of the environment."""
    return Minio(
        os.environ["MINIO__ENDPOINT"],
        access_key=os.environ["MINIO__ACCESS_KEY"],
        secret_key=os.environ["MINIO__SECRET_KEY"],
        region=os.environ.get("MINIO__REGION") or "us-east-1",
        secure=os.environ.get("MINIO__USE_SSL", "").lower() in {"1", "true", "yes", "on"},
    )


async def copy_out(store: Minio, stream: IO[bytes]) -> int:
    """Write every object; one that is gone by the time it is read was delivered meanwhile, and is left out."""
    copied = 0
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        async for found in store.list_objects(BUCKET, recursive=True):
            name = found.object_name
            try:
                response = await store.get_object(BUCKET, name)
            except Exception as error:
                if getattr(error, "code", "") != "NoSuchKey":
                    raise
                continue
            entry = tarfile.TarInfo(name)
            entry.size = int(response.headers["Content-Length"])
            header, padding = entry.tobuf(tarfile.PAX_FORMAT), bytes(-entry.size % tarfile.BLOCKSIZE)
            archive.fileobj.write(header)
            async for block in response.content.iter_chunked(BLOCK):
                archive.fileobj.write(block)
            archive.fileobj.write(padding)
            archive.offset += len(header) + entry.size + len(padding)
            response.close()
            copied += 1
    return copied


async def copy_in(store: Minio, stream: IO[bytes]) -> int:
    """Put every object of the archive, then remove what it does not hold."""
    names = set()
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for entry in archive:
            with _opened(archive, entry) as content:
                # One part at a time: several would read the one stream at once.
                await store.put_object(
                    BUCKET, entry.name, content, entry.size, part_size=PART, num_parallel_uploads=1
                )
            names.add(entry.name)
    async for found in store.list_objects(BUCKET, recursive=True):
        if found.object_name not in names:
            await store.remove_object(BUCKET, found.object_name)
    return len(names)


@contextmanager
def _opened(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> Iterator[IO[bytes]]:
    content = archive.extractfile(entry)
    if content is None:
        raise SystemExit(f"{entry.name} is not a file; this archive is not a copy of a bucket")
    with content:
        yield content


async def main(direction: str) -> int:
    """Copy one way; says how many objects on standard error."""
    async with client() as store:
        match direction:
            case "out":
                count = await copy_out(store, sys.stdout.buffer)
            case "in":
                count = await copy_in(store, sys.stdin.buffer)
            case _:
                raise SystemExit("out or in?")
    sys.stderr.write(f"{count} objects copied {direction}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1])))
