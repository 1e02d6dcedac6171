"""A hub in memory behind the ports of the result endpoint, with real sealing in the upstream form."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from flame_node_agent.crypto.keys import parse_peer_key, public_key_hex, shared_key
from flame_node_agent.errors import HubError, HubUnavailable, HubUnexpected, PeerKeyInvalid, Unsealable
from flame_node_agent.stores.uploads import NewUpload, Recipient
from flame_node_agent.wire.hub import AnalysisBucket, BucketFile, BucketKind, Node, Project
from tests.unit.results.stores_double import ObjectsDouble, StagingDouble

IV_BYTES = 12
OVERHEAD_BYTES = 28


def seal(key: bytes, content: bytes) -> bytes:
    """``iv || ciphertext || tag``, as FLAME nodes write it."""
    iv = os.urandom(IV_BYTES)
    return iv + AESGCM(key).encrypt(iv, content, None)


@dataclass
class HubDouble:
    """What the hub has, and how it is: ``failure`` is raised instead of every answer."""

    own_key: ec.EllipticCurvePrivateKey
    projects: dict[UUID, UUID] = field(default_factory=dict)
    """Project of each analysis."""
    buckets: dict[tuple[UUID, BucketKind], AnalysisBucket] = field(default_factory=dict)
    nodes: dict[UUID, Node] = field(default_factory=dict)
    files: dict[UUID, bytes] = field(default_factory=dict)
    names: dict[UUID, str] = field(default_factory=dict)
    failure: HubError | None = None
    fail_stream_after: int | None = None
    end_stream_after: int | None = None
    """Where a hop on the way ends every stream as if it were whole."""
    asked: list[str] = field(default_factory=list)

    def add_analysis(self, project_id: UUID | None = None) -> UUID:
        analysis_id = uuid4()
        self.projects[analysis_id] = project_id or uuid4()
        for kind in BucketKind:
            self.buckets[analysis_id, kind] = AnalysisBucket(
                id=uuid4(),
                analysis_id=analysis_id,
                kind=kind,
                storage_bucket_id=uuid4(),
                links_by_itself=True,
            )
        return analysis_id

    def add_node(self, key: ec.EllipticCurvePrivateKey | None) -> UUID:
        node_id = uuid4()
        self.nodes[node_id] = Node(id=node_id, public_key_hex=None if key is None else public_key_hex(key))
        return node_id

    def add_file(self, content: bytes, name: str = "file") -> UUID:
        file_id = uuid4()
        self.files[file_id] = content
        self.names[file_id] = name
        return file_id

    def answer(self, what: str) -> None:
        self.asked.append(what)
        if self.failure is not None:
            raise self.failure

    # hub core
    async def get_node(self, node_id: UUID) -> Node | None:
        self.answer("node")
        return self.nodes.get(node_id)

    async def get_project(self, project_id: UUID) -> Project | None:
        self.answer("project")
        return Project(id=project_id) if project_id in self.projects.values() else None

    # hub storage
    async def get_file(self, file_id: UUID) -> BucketFile | None:
        self.answer("file")
        if file_id not in self.files:
            return None
        name = self.names[file_id]
        return BucketFile(id=file_id, name=name, path=name, size=len(self.files[file_id]), bucket_id=uuid4())

    @asynccontextmanager
    async def stream(self, file_id: UUID, *, size: int | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        self.answer("stream")
        content = self.files[file_id][: self.end_stream_after]
        yield self._chunks(content) if size in {None, len(content)} else self._miscounted(content)

    async def _miscounted(self, content: bytes) -> AsyncIterator[bytes]:
        async for chunk in self._chunks(content):
            yield chunk
        raise HubUnexpected(200, "not as long as the file")

    async def _chunks(self, content: bytes, block: int = 1024) -> AsyncIterator[bytes]:
        for start in range(0, len(content), block):
            if self.fail_stream_after is not None and start >= self.fail_stream_after:
                raise HubUnavailable("the connection broke")
            yield content[start : start + block]


class KnowledgeDouble:
    """Remembers what was asked once; asks the hub for the rest."""

    def __init__(self, hub: HubDouble) -> None:
        self._hub = hub
        self.database_failure: Exception | None = None
        self._projects: dict[UUID, UUID] = {}
        self._buckets: dict[tuple[UUID, BucketKind], AnalysisBucket] = {}
        self.deadlines: list[float] = []

    async def project_of(self, analysis_id: UUID, deadline: float) -> UUID | None:
        self._ask(deadline)
        if self._hub.failure is None or analysis_id not in self._projects:
            self._hub.answer("analysis")
            if analysis_id not in self._hub.projects:
                return None
            self._projects[analysis_id] = self._hub.projects[analysis_id]
        return self._projects[analysis_id]

    async def bucket_of(self, analysis_id: UUID, kind: BucketKind, deadline: float) -> AnalysisBucket | None:
        self._ask(deadline)
        if self._hub.failure is None or (analysis_id, kind) not in self._buckets:
            self._hub.answer("bucket")
            if (analysis_id, kind) not in self._hub.buckets:
                return None
            self._buckets[analysis_id, kind] = self._hub.buckets[analysis_id, kind]
        return self._buckets[analysis_id, kind]

    async def forget_project(self, project_id: UUID) -> None:
        self._projects = {key: value for key, value in self._projects.items() if value != project_id}

    def _ask(self, deadline: float) -> None:
        self.deadlines.append(deadline)
        if self.database_failure is not None:
            raise self.database_failure


class DeliveryDouble:
    """Puts the stored object into the hub, sealed where asked."""

    def __init__(self, hub: HubDouble, objects: ObjectsDouble, staging: StagingDouble) -> None:
        self._hub = hub
        self._objects = objects
        self._staging = staging
        self.sent: list[NewUpload] = []
        self.deadlines: list[float] = []
        self.failure: Exception | None = None

    async def send_now(self, new: NewUpload, *, recipient: Recipient | None, deadline: float) -> UUID:
        self.deadlines.append(deadline)
        if self.failure is not None:
            raise self.failure
        self._hub.answer("upload")
        content, _ = self._objects.held[new.object_key]
        if recipient is not None:
            peer = parse_peer_key(recipient.public_key_hex, self._hub.own_key)
            content = seal(shared_key(self._hub.own_key, peer), content)
        self.sent.append(new)
        if new.owns_object:
            self._staging.claim(new.object_key)
            del self._objects.held[new.object_key]
        return self._hub.add_file(content, new.filename)


class InboundDouble:
    """Opens what was sealed for this node, whole."""

    def __init__(self, hub: HubDouble) -> None:
        self._hub = hub
        self.fail_after: int | None = None

    @asynccontextmanager
    async def open(
        self, file_id: UUID, sender: Node, *, size: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        if sender.public_key_hex is None:
            raise PeerKeyInvalid("the node has no public key")
        key = shared_key(self._hub.own_key, parse_peer_key(sender.public_key_hex, self._hub.own_key))
        sealed = self._hub.files[file_id][: self._hub.end_stream_after]
        if size not in {None, len(sealed)}:
            raise HubUnexpected(200, "not as long as the file")
        if len(sealed) < OVERHEAD_BYTES:
            raise Unsealable("too short")
        try:
            content = AESGCM(key).decrypt(sealed[:IV_BYTES], sealed[IV_BYTES:], None)
        except InvalidTag as error:
            raise Unsealable("the tag does not fit") from error
        yield self._chunks(content)

    async def _chunks(self, content: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(content), 1024):
            if self.fail_after is not None and start >= self.fail_after:
                raise HubUnavailable("the connection broke")
            yield content[start : start + 1024]


@dataclass
class ReadinessDouble:
    missing: dict[str, str] = field(default_factory=dict)

    async def check(self) -> dict[str, str]:
        return self.missing
