"""What the result endpoint needs of the rest of the agent, and nothing more.

The agent composes the real parts; tests use small doubles. The calls and their failures are those of the
classes named after each protocol.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from flame_node_agent.results.issuer_keys import IssuerKeys
from flame_node_agent.stores.local_results import TaggedResult
from flame_node_agent.stores.objects import Chunk, ObjectInfo, StoredObject
from flame_node_agent.stores.uploads import NewUpload, Recipient, Upload
from flame_node_agent.wire.hub import AnalysisBucket, BucketFile, BucketKind, Node, Project


class OpenObject(Protocol):
    """:class:`flame_node_agent.stores.objects.ObjectReader`."""

    info: ObjectInfo

    def chunks(self) -> AsyncIterator[bytes]: ...


class Objects(Protocol):
    """:class:`flame_node_agent.stores.objects.ObjectStore`: ObjectNotFound, ObjectStoreUnavailable."""

    def read(self, key: str) -> AbstractAsyncContextManager[OpenObject]: ...

    async def stat(self, key: str) -> ObjectInfo: ...

    async def delete(self, key: str) -> None: ...

    def list(self, prefix: str) -> AsyncIterator[ObjectInfo]: ...


class StagedObject(Protocol):
    """:class:`flame_node_agent.stores.staging.Staged`."""

    async def store(self, chunks: AsyncIterable[Chunk], content_type: str) -> StoredObject: ...


class Staging(Protocol):
    """Announces objects: leaving the block by an exception removes the object.

    See :class:`flame_node_agent.stores.staging.Staging`.
    """

    def stage(self, key: str) -> AbstractAsyncContextManager[StagedObject]: ...


class Knowledge(Protocol):
    """Remembers the hub's answers. ``deadline`` is in seconds; None is the hub's no.

    See :class:`flame_node_agent.agent.knowledge.Knowledge`: HubError, DatabaseUnavailable.
    """

    async def project_of(self, analysis_id: UUID, deadline: float) -> UUID | None: ...

    async def bucket_of(
        self, analysis_id: UUID, kind: BucketKind, deadline: float
    ) -> AnalysisBucket | None: ...

    async def forget_project(self, project_id: UUID) -> None: ...


class Outbox(Protocol):
    """:class:`flame_node_agent.stores.outbox.Outbox`."""

    async def enqueue(self, new: NewUpload) -> UUID: ...

    async def find(self, upload_id: UUID) -> Upload | None: ...


class LocalResults(Protocol):
    """:class:`flame_node_agent.stores.local_results.LocalResults`."""

    async def record(
        self,
        *,
        object_id: UUID,
        analysis_id: UUID,
        project_id: UUID,
        filename: str,
        tag: str | None,
        object_key: str,
    ) -> None: ...

    async def tags(self, project_id: UUID) -> list[str]: ...

    async def tagged(self, project_id: UUID, tag: str) -> list[TaggedResult]: ...

    async def tag_object(
        self, *, project_id: UUID, analysis_id: UUID, object_id: UUID, tag: str, filename: str | None
    ) -> str: ...

    async def filename_of(self, object_id: UUID, analysis_id: UUID) -> str | None: ...

    async def delete_project(self, project_id: UUID, object_ids: list[UUID]) -> None: ...


class Delivery(Protocol):
    """Brings an object to the hub before a deadline in seconds, and gives the hub's id of the file.

    See :class:`flame_node_agent.agent.sending.Sending`.
    """

    async def send_now(self, new: NewUpload, *, recipient: Recipient | None, deadline: float) -> UUID: ...


class Inbound(Protocol):
    """Opens sealed files: Unsealable and PeerKeyInvalid before the first byte.

    See :class:`flame_node_agent.agent.inbound.Inbound`.
    """

    def open(
        self, file_id: UUID, sender: Node, *, size: int | None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]: ...


class HubCore(Protocol):
    """:class:`flame_node_agent.hub.core.HubCore`; None where the hub has no such thing."""

    async def get_node(self, node_id: UUID) -> Node | None: ...

    async def get_project(self, project_id: UUID) -> Project | None: ...


class HubStorage(Protocol):
    """:class:`flame_node_agent.hub.storage.HubStorage`."""

    async def get_file(self, file_id: UUID) -> BucketFile | None: ...

    def stream(
        self, file_id: UUID, *, size: int | None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]: ...


class Readiness(Protocol):
    """:class:`flame_node_agent.telemetry.readiness.Readiness`: what is missing, each with the reason."""

    async def check(self) -> dict[str, str]: ...


@dataclass(frozen=True)
class ResultDependencies:
    """Everything the result endpoint works with; one of each a process."""

    issuer_keys: IssuerKeys
    objects: Objects
    staging: Staging
    knowledge: Knowledge
    outbox: Outbox
    local_results: LocalResults
    delivery: Delivery
    inbound: Inbound
    core: HubCore
    storage: HubStorage
    readiness: Readiness
