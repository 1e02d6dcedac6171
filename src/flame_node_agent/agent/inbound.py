"""Files that other nodes have sealed for this one.

Not a byte of plaintext leaves before the whole file has proved authentic. So a file is read twice: from the hub,
checking it and keeping the sealed bytes (small ones in memory, others in the object store), then from where they
were kept, decrypting. Memory stays flat at any size, and nothing decrypted is ever stored.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID, uuid4

import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from flame_node_agent.crypto.keys import parse_peer_key, shared_key
from flame_node_agent.crypto.sealing import Probe, SealedForm, open_sealed
from flame_node_agent.errors import DatabaseUnavailable, ObjectStoreError, PeerKeyInvalid
from flame_node_agent.hub.storage import HubStorage
from flame_node_agent.stores.objects import ObjectStore
from flame_node_agent.stores.staging import Staging
from flame_node_agent.wire.hub import Node

log = structlog.get_logger(__name__)

KEPT_IN_MEMORY = 4 * 1024 * 1024


class Inbound:
    """Opens sealed files of the hub."""

    def __init__(
        self,
        storage: HubStorage,
        objects: ObjectStore,
        staging: Staging,
        private_key: EllipticCurvePrivateKey,
    ) -> None:
        self._storage = storage
        self._objects = objects
        self._staging = staging
        self._private_key = private_key

    @asynccontextmanager
    async def open(
        self, file_id: UUID, sender: Node, *, size: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The plaintext of a file that ``sender`` has sealed for this node.

        ``size`` is that of the sealed file, where it is known. A file in chunks shows in no other way that its last
        ones are missing.

        Raises, before the first byte:
            PeerKeyInvalid: the sender's key is none, or on another curve.
            Unsealable: not sealed by the sender for this node, or damaged.
            HubError, ObjectStoreError, DatabaseUnavailable.
        """
        if sender.public_key_hex is None:
            raise PeerKeyInvalid("the node has no public key")
        key = shared_key(self._private_key, parse_peer_key(sender.public_key_hex, self._private_key))
        object_key = f"inbound/{uuid4()}"
        try:
            async with self._storage.stream(file_id, size=size) as incoming:
                head = bytearray()
                async for chunk in incoming:
                    head += chunk
                    if len(head) > KEPT_IN_MEMORY:
                        break
                else:
                    probe = Probe(key)
                    probe.update(bytes(head))
                    yield open_sealed(_once(bytes(head)), key, probe.finish())
                    return
                async with self._staging.stage(object_key) as staged:
                    probe = Probe(key)
                    await staged.store(_checked(_joined(bytes(head), incoming), probe))
                    del head
                    form = probe.finish()
            yield self._reopened(object_key, key, form)
        finally:
            # What cannot be removed now is known by its intent, and removed by the janitor.
            with suppress(DatabaseUnavailable, ObjectStoreError):
                await self._staging.discard(object_key)

    async def _reopened(self, object_key: str, key: bytes, form: SealedForm) -> AsyncIterator[bytes]:
        async with self._objects.read(object_key) as reader:
            async for plaintext in open_sealed(reader.chunks(), key, form):
                yield plaintext


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _joined(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for chunk in rest:
        yield chunk


async def _checked(chunks: AsyncIterator[bytes], probe: Probe) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        probe.update(chunk)
        yield chunk
