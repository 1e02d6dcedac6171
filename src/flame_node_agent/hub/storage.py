"""What the agent does at hub storage: send a file, look for it, read it, take it back."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from flame_node_agent.errors import HubRefused, HubUnexpected
from flame_node_agent.hub.answers import NOT_FOUND
from flame_node_agent.hub.dialect import Record, snake_keys, unwrap
from flame_node_agent.hub.listing import Lists
from flame_node_agent.hub.multipart import Chunks, FilePart, stored_names
from flame_node_agent.hub.records import is_same
from flame_node_agent.hub.session import HubSession, route
from flame_node_agent.wire.hub import BucketFile

MISCOUNTED = "Expected single uploaded file to be returned by storage service"
"""How the FLAME Node Result Service begins its complaint when the hub has kept no file, or several."""

# The hub's query language gives a meaning to leading signs, commas, white space, numbers and some words (rapiq).
_WORDS = "null|undefined|true|false|nan|inf|infinity"
_PLAIN_NAME = re.compile(rf"(?!(?:{_WORDS})\Z)[a-z][\w.-]*", re.ASCII | re.IGNORECASE)


class HubStorage:
    """The FLAME Storage API.

    Every method raises HubUnavailable, HubUnexpected, HubCredentialsRefused or HubRefused.
    """

    def __init__(self, session: HubSession, *, actor_id: str | None = None) -> None:
        """``actor_id`` is this node's own id at the hub, where it is known."""
        self._session = session
        self._lists = Lists(session, "storage")
        self._actor_id = actor_id

    async def upload(self, bucket_id: UUID, *, name: str, size: int, chunks: Chunks) -> BucketFile:
        """Send a file of ``size`` bytes into a bucket.

        ``chunks`` gives the bytes from the start each time it is called: it is called again when the hub wants a
        fresh token. What it raises is raised here as it is. A name that is taken is HubRefused with status 409 (500
        from PostgreSQL hubs up to 0.8.21).

        Raises:
            ValueError: the name is empty, or the source does not hold ``size`` bytes.
        """
        part = FilePart(name=name, size=size, chunks=chunks)
        body = await self._session.post_file(route("buckets", bucket_id, "upload"), part)
        files = body.get("data") if isinstance(body, dict) else None
        if not isinstance(files, list):
            raise HubUnexpected(201, "no list of uploaded files")
        if len(files) != 1:
            raise HubUnexpected(201, f"{MISCOUNTED}, got {len(files)}")
        file = _file(files[0])
        if file.bucket_id != bucket_id or file.size not in {None, size}:
            raise HubUnexpected(201, f"the hub stored {file.size} of {size} bytes, or elsewhere")
        return file

    async def find_file(self, bucket_id: UUID, *, path: str) -> BucketFile | None:
        """Find the file that an upload called ``path`` has made in a bucket; None when there is none."""
        paths = stored_names(path)

        def check(record: Record) -> BucketFile | None:
            fields = snake_keys(record)
            if fields.get("path") not in paths or not is_same(fields.get("bucket_id"), bucket_id):
                return None
            return _file(record)

        filters = {"bucket_id": str(bucket_id)}
        if _PLAIN_NAME.fullmatch(path):
            # No hub can be asked for a path. The name is its last part, so the same for a path without folders.
            filters["name"] = path
        found = await self._lists.search("bucket-files", filters, check, newest_first=True, first_only=True)
        return found[0] if found else None

    async def get_file(self, file_id: UUID) -> BucketFile | None:
        """Get what the hub knows of a file; None when it says there is none."""
        try:
            body = await self._session.call("GET", route("bucket-files", file_id))
        except HubRefused as refusal:
            if refusal.status == NOT_FOUND:
                return None
            raise
        file = _file(unwrap(body))
        if file.id != file_id:
            raise HubUnexpected(200, "not the file that was asked for")
        return file

    def is_of_another_node(self, file: BucketFile) -> bool:
        """Whether the hub names somebody else as the sender of a file; False where that cannot be told.

        The nodes of an analysis share its buckets, and may well send the same content under the same name.
        """
        return (
            self._actor_id is not None
            and file.actor_id is not None
            and file.actor_id.lower() != self._actor_id.lower()
        )

    def stream(
        self, file_id: UUID, *, size: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Read a file of any size, in blocks of at most 256 KiB; its status is checked before the first byte.

        A connection that breaks on the way raises HubUnavailable from the iterator, an end after more or less than
        ``size`` bytes HubUnexpected. ``size`` is what the file's record says: the hub counts the bytes that it stores
        (PrivateAIM/hub, server-storage, ``upload.ts``), and sends them without a Content-Length.
        """
        return self._session.stream(route("bucket-files", file_id, "stream"), size=size)

    async def delete_file(self, file_id: UUID) -> None:
        """Remove a file; one that is not there is as good as removed."""
        try:
            await self._session.call("DELETE", route("bucket-files", file_id))
        except HubRefused as refusal:
            if refusal.status != NOT_FOUND:
                raise


def _file(record: Any) -> BucketFile:
    if not isinstance(record, dict):
        raise HubUnexpected(200, "no record of a file")
    try:
        return BucketFile.model_validate(snake_keys(record))
    except ValidationError as error:
        fields = ", ".join(str(problem["loc"][0]) for problem in error.errors())
        raise HubUnexpected(200, f"a file without a usable {fields}") from None
