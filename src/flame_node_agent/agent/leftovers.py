"""What a failed request has left at the hub, and how to tell it from the files of others.

A hub that was given the whole file may go on with it after the agent has hung up. So a file that is not there yet is
looked for until the hub has had as long as the agent would have waited for its answer.
"""

from __future__ import annotations

import hashlib

from flame_node_agent.agent.source import Sent
from flame_node_agent.crypto.sealing import NONCE_BYTES, sealed_size
from flame_node_agent.errors import HubRefused, HubUnavailable
from flame_node_agent.hub.answers import NOT_FOUND
from flame_node_agent.hub.storage import HubStorage
from flame_node_agent.stores.outbox import Outbox
from flame_node_agent.stores.uploads import Upload, UploadState
from flame_node_agent.wire.hub import AnalysisBucket, BucketFile


class Leftovers:
    """Finds them. The stored object is not needed for that."""

    def __init__(self, storage: HubStorage, outbox: Outbox, *, settle_seconds: float) -> None:
        """``settle_seconds`` is how long after the end of a request the hub may still be busy with it."""
        self._storage = storage
        self._outbox = outbox
        self._settle_seconds = settle_seconds

    async def find(self, upload: Upload, bucket: AnalysisBucket, path: str) -> tuple[BucketFile, Sent] | None:
        """The file that ``upload`` has brought to the hub as ``path``; None when there is none, and will be none.

        Raises:
            HubUnavailable: it cannot be told yet. Other HubErrors. DatabaseUnavailable.
        """
        held = await self._storage.find_file(bucket.storage_bucket_id, path=path)
        if held is None:
            left = self._settle_seconds - await self._outbox.abandoned_for(upload)
            if left > 0:
                raise HubUnavailable("the hub may still be busy with the file", retry_after=left)
            return None
        if self._storage.is_of_another_node(held):
            return None
        sent = await self._read(upload, held)
        if sent is None or await self._outbox.is_of_another(upload, held.id):
            return None  # and as the name is taken, nothing of this upload can come under it any more
        if upload.recipient is None and UploadState.UPLOADING in await self._outbox.rivals(upload):
            raise HubUnavailable("the file may be that of another upload of the same name and content")
        return held, sent

    async def _read(self, upload: Upload, held: BucketFile) -> Sent | None:
        """Size and hash of a file at the hub, if its bytes are those that ``upload`` sends.

        A sealed file begins with a nonce that was drawn for this upload alone.
        """
        size = upload.size if upload.recipient is None else sealed_size(upload.size)
        if held.size not in {None, size}:
            return None
        digest, head, seen = hashlib.sha256(), bytearray(), 0
        try:
            async with self._storage.stream(held.id) as chunks:
                async for chunk in chunks:
                    digest.update(chunk)
                    head += chunk[: NONCE_BYTES - len(head)]
                    seen += len(chunk)
        except HubRefused as refusal:
            if refusal.status != NOT_FOUND:
                raise
            return None  # a record without bytes, or removed since it was found
        sent = Sent(seen, digest.hexdigest())
        sealed = upload.recipient is not None
        mine = bytes(head) == upload.seal_nonce if sealed else sent.sha256 == upload.sha256
        return sent if mine and seen == size else None
