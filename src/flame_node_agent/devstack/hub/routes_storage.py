"""What the storage service has beside its records: uploads and streams."""

from __future__ import annotations

import asyncio
import hashlib
import posixpath
import secrets
import sqlite3
import zlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

from fastapi import APIRouter, Depends, Request
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response, StreamingResponse

from flame_node_agent.devstack.hub import records, rendering
from flame_node_agent.devstack.hub.entities import BUCKET, BUCKET_FILE
from flame_node_agent.devstack.hub.multipart_upload import UploadedFile, read_upload
from flame_node_agent.devstack.hub.payloads import check_lengths
from flame_node_agent.devstack.hub.profile import Release
from flame_node_agent.devstack.hub.records import Row
from flame_node_agent.devstack.hub.refusals import Refusal, duplicate
from flame_node_agent.devstack.hub.routes_records import existing
from flame_node_agent.devstack.hub.state import Hub, hub_of, identify, identity_of
from flame_node_agent.devstack.hub.tokens import Identity

router = APIRouter(dependencies=[Depends(identify)])

_BLOCK = 1 << 20


@router.post("/buckets/{bucket_id}/upload")
async def upload(bucket_id: str, request: Request) -> Response:
    """Take the files of a multipart body. Each is recorded when its own part has ended, as with busboy."""
    hub, identity = hub_of(request), identity_of(request)

    def look(connection: sqlite3.Connection) -> Row:
        return existing(connection, hub, BUCKET, bucket_id)

    bucket = await hub.database.read(look)
    recorded: list[rendering.Json] = []
    refused: Refusal | None = None
    content_type = request.headers.get("content-type", "")
    try:
        async with aclosing(read_upload(content_type, request.stream(), hub.files)) as uploads:
            async for file in uploads:
                try:
                    row = await _record(hub, identity, bucket, file)
                except Refusal as refusal:
                    # One failed file fails the request, but not the other files.
                    refused = refusal
                else:
                    recorded.append(rendering.render(BUCKET_FILE, hub.profile, row))
    except ClientDisconnect:
        return Response(status_code=400)
    if refused is not None:
        raise refused
    return JSONResponse({"data": recorded, "meta": {"total": len(recorded)}}, 201)


@router.get("/bucket-files/{file_id}/stream")
async def stream(file_id: str, request: Request) -> Response:
    """A file's bytes: no length, no ranges, gzip when the client takes it (PrivateAIM/hub dd4731d)."""
    hub = hub_of(request)

    def look(connection: sqlite3.Connection) -> Row:
        return existing(connection, hub, BUCKET_FILE, file_id)

    row = await hub.database.read(look)
    zipped = "gzip" in request.headers.get("accept-encoding", "")
    headers = {"content-encoding": "gzip" if zipped else "identity"}
    if hub.profile.release >= Release.R0_13:
        headers["content-disposition"] = (
            'attachment; filename="' + row["name"].encode("ascii", "replace").decode() + '"'
        )
    blocks = _blocks(hub.files.path(row["id"]))
    body = _gzip(blocks) if zipped else blocks
    return StreamingResponse(body, headers=headers, media_type="application/octet-stream")


async def _record(hub: Hub, identity: Identity, bucket: Row, file: UploadedFile) -> Row:
    """Insert the file's row; if that fails, the stored bytes are thrown away and nothing is overwritten."""
    old = hub.profile.release is Release.R0_8_21
    values = {
        "id": file.stored.id,
        "name": posixpath.basename(file.path.rstrip("/")),
        "path": file.path,
        # The key in the object store: of the name in 0.8.21, random since.
        "hash": hashlib.sha256(file.path.encode()).hexdigest() if old else secrets.token_hex(32),
        "directory": posixpath.dirname(file.path.rstrip("/")) or ".",
        "size": file.stored.size,
        "actor_type": identity.type,
        "actor_id": identity.id,
        "realm_id": identity.realm_id,
        "bucket_id": bucket["id"],
        "meant_path": file.meant_path,
        "sha256": file.stored.sha256,
        "link_due": hub.profile.links_by_itself,
    }

    def insert(connection: sqlite3.Connection) -> Row:
        check_lengths(BUCKET_FILE, values)
        try:
            return records.insert(connection, BUCKET_FILE, values)
        except sqlite3.IntegrityError:
            raise duplicate(hub.profile) from None

    try:
        row = await hub.database.write(insert)
    except Refusal:
        await hub.files.discard([file.stored.id])
        raise
    if hub.profile.links_by_itself:
        hub.linker.wake()
    return row


async def _blocks(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while block := await asyncio.to_thread(file.read, _BLOCK):
            yield block
    finally:
        await asyncio.to_thread(file.close)


async def _gzip(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    # The fastest level: the wire format counts here, not the ratio.
    compressor = zlib.compressobj(level=1, wbits=zlib.MAX_WBITS | 16)
    async for block in blocks:
        if packed := await asyncio.to_thread(compressor.compress, block):
            yield packed
    yield compressor.flush()
