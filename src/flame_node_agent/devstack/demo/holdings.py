"""What the hub and the local store hold in the end, looked at from outside: never through the agent."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from flame_node_agent.devstack.demo.analysis import Unexpected
from flame_node_agent.devstack.hub_server import HubUrls
from flame_node_agent.devstack.nodes import NodeKeys
from flame_node_agent.devstack.s3 import S3Access
from flame_node_agent.devstack.seed import HubSeed

_BLOCK = 1 << 20
_IV_BYTES = 12
_TAG_BYTES = 16


@dataclass(frozen=True)
class Held:
    """A file as somebody holds it."""

    size: int
    sha256: str


class HubHoldings:
    """The hub's files, as its admin API lists them and as its storage service gives them to a user."""

    def __init__(self, urls: HubUrls, seed: HubSeed) -> None:
        self._urls = urls
        self._seed = seed

    def files(self, analysis_id: uuid.UUID, kind: str) -> list[dict[str, Any]]:
        """All files of one analysis' RESULT or TEMP bucket."""
        answer = httpx.get(f"{self._urls.admin}/uploads", trust_env=False).raise_for_status()
        return [
            file for file in answer.json() if file["analysis_id"] == str(analysis_id) and file["kind"] == kind
        ]

    def file(self, analysis_id: uuid.UUID, name: str) -> Held:
        """The one final result of that name; Unexpected if there are none or several, or if it is not linked."""
        found = [file for file in self.files(analysis_id, "RESULT") if file["path"] == name]
        if len(found) != 1 or not found[0]["linked"]:
            raise Unexpected(f"the hub should hold {name} once, linked to its analysis; it lists {found}")
        return Held(int(found[0]["size"]), str(found[0]["sha256"]))

    @contextlib.contextmanager
    def content(self, file_id: uuid.UUID) -> Iterator[Iterator[bytes]]:
        """A file's bytes, fetched by the hub's user as any node would fetch them."""
        with httpx.Client(trust_env=False, timeout=60) as http:
            login = {
                "grant_type": "password",
                "username": self._seed.username,
                "password": self._seed.password,
            }
            token = (
                http.post(f"{self._urls.auth}/token", json=login).raise_for_status().json()["access_token"]
            )
            url = f"{self._urls.storage}/bucket-files/{file_id}/stream"
            headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
            with http.stream("GET", url, headers=headers) as answer:
                answer.raise_for_status()
                yield answer.iter_bytes(_BLOCK)


def open_sealed(chunks: Iterator[bytes], recipient: NodeKeys, sender_public_pem: str) -> Held:
    """Open a file with the recipient's private key, from the description of the format alone.

    FLAME's envelope: AES-256-GCM under the first 32 bytes of the ECDH secret, as iv (12), ciphertext, tag (16).
    Written anew here so that the agent's own code is not its own witness. Unexpected if it does not open.
    """
    sender = serialization.load_pem_public_key(sender_public_pem.encode())
    if not isinstance(sender, ec.EllipticCurvePublicKey):
        raise Unexpected("the sender's key is no EC key")
    key = recipient.private_key.exchange(ec.ECDH(), sender)[:32]
    digest, size = hashlib.sha256(), 0
    pending = b""
    while len(pending) < _IV_BYTES:
        pending += next(chunks)
    opened = Cipher(algorithms.AES(key), modes.GCM(pending[:_IV_BYTES])).decryptor()
    pending = pending[_IV_BYTES:]
    for chunk in chunks:
        pending += chunk
        plain = opened.update(pending[:-_TAG_BYTES])
        pending = pending[-_TAG_BYTES:]
        digest.update(plain)
        size += len(plain)
    plain = opened.update(pending[:-_TAG_BYTES])
    digest.update(plain)
    try:
        opened.finalize_with_tag(pending[-_TAG_BYTES:])
    except InvalidTag:
        raise Unexpected(f"the file does not open with the key of {recipient.name}") from None
    return Held(size + len(plain), digest.hexdigest())


def local_object(bucket: S3Access, key: str) -> Held:
    """An object of the local store, read straight from S3."""
    return asyncio.run(_local_object(bucket, key))


async def _local_object(bucket: S3Access, key: str) -> Held:
    digest, size = hashlib.sha256(), 0
    async with bucket.client() as client:
        answer = await client.get_object(bucket.bucket, key)
        async with answer:
            async for block in answer.content.iter_chunked(_BLOCK):
                digest.update(block)
                size += len(block)
    return Held(size, digest.hexdigest())
