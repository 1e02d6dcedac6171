"""What the agent asks of hub core: whose an analysis is, where its files go, and the link between the two."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flame_node_agent.errors import HubRefused, HubUnavailable, HubUnexpected
from flame_node_agent.hub.answers import BAD_REQUEST, CONFLICT, NOT_FOUND
from flame_node_agent.hub.dialect import Record, Spelling, dialect_of_bucket, snake_keys, unwrap
from flame_node_agent.hub.listing import Lists
from flame_node_agent.hub.records import is_same, uuid_of
from flame_node_agent.hub.session import HubSession, route
from flame_node_agent.wire.hub import Analysis, AnalysisBucket, BucketFile, BucketKind, Node, Project


class HubCore:
    """The FLAME Core API.

    Every method raises HubUnavailable, HubUnexpected, HubCredentialsRefused or HubRefused.
    """

    def __init__(self, session: HubSession) -> None:
        self._session = session
        self._lists = Lists(session, "core")

    async def find_analysis_bucket(self, analysis_id: UUID, kind: BucketKind) -> AnalysisBucket | None:
        """Find the bucket that takes files of ``kind``; the last one where there are several, as upstream does.

        Analysis and kind of whatever the hub returns are checked, so that nothing is uploaded to a stranger's bucket.
        A bucket whose storage the hub has not made yet is HubUnavailable.
        """
        buckets = await self._lists.search(
            "analysis-buckets",
            {"analysis_id": str(analysis_id), "type": kind.value},
            lambda record: _Bucket.read(record, analysis_id, kind),
        )
        ready = [bucket for found in buckets if (bucket := found.bucket) is not None]
        if buckets and not ready:
            raise HubUnavailable(f"the hub has not made the {kind} bucket of analysis {analysis_id} yet")
        return ready[-1] if ready else None

    async def get_analysis(self, analysis_id: UUID) -> Analysis | None:
        """Get an analysis; None when the hub says there is none."""
        record = await self._get("analyses", analysis_id)
        if record is None:
            return None
        return Analysis(id=analysis_id, project_id=uuid_of(record, "project_id"))

    async def get_node(self, node_id: UUID) -> Node | None:
        """Get a node with its public key; None when the hub says there is none."""
        record = await self._get("nodes", node_id)
        if record is None:
            return None
        key = record.get("public_key")
        return Node(id=node_id, public_key_hex=key if isinstance(key, str) and key else None)

    async def get_project(self, project_id: UUID) -> Project | None:
        """Get a project; None when the hub says there is none."""
        record = await self._get("projects", project_id)
        return Project(id=project_id) if record is not None else None

    async def find_link(self, bucket: AnalysisBucket, bucket_file_id: UUID) -> bool:
        """Look whether a file is linked to the bucket's analysis. Newest links are looked at first."""

        def check(record: Record) -> bool | None:
            fields = snake_keys(record)
            file_id = fields.get("bucket_file_id", fields.get("external_id"))
            owner = fields.get("analysis_id", str(bucket.analysis_id))
            return True if is_same(file_id, bucket_file_id) and is_same(owner, bucket.analysis_id) else None

        # The analysis is the one filter that every generation has; not all can be asked for the file itself.
        filters = {"analysis_id": str(bucket.analysis_id)}
        return bool(
            await self._lists.search(
                "analysis-bucket-files", filters, check, newest_first=True, first_only=True
            )
        )

    async def link(self, bucket: AnalysisBucket, file: BucketFile, *, until: float = math.inf) -> None:
        """Link a file to its analysis, for hubs that do not do it by themselves; already linked is as good.

        After ``until``, a moment of the monotonic clock, nothing is sent any more: HubUnavailable.

        A hub that was upgraded since ``bucket`` was found does not understand the link; it gets it in the new form,
        unless it has it.
        """
        try:
            await self._post_link(_legacy_link(bucket, file), until)
        except (HubRefused, HubUnexpected) as error:
            if isinstance(error, HubRefused) and error.status != BAD_REQUEST:
                raise
            now = await self.find_analysis_bucket(bucket.analysis_id, bucket.kind)
            if now is None or not now.links_by_itself:
                raise
            if not await self.find_link(now, file.id):
                await self._post_link(_newer_link(now, file, self._lists.spelling), until)

    async def _post_link(self, link: dict[str, Any], until: float) -> None:
        try:
            await self._session.call("POST", "analysis-bucket-files", json=link, until=until)
        except HubRefused as refusal:
            if refusal.status != CONFLICT:
                raise

    async def _get(self, collection: str, record_id: UUID) -> dict[str, Any] | None:
        try:
            body = await self._session.call("GET", route(collection, record_id))
        except HubRefused as refusal:
            if refusal.status == NOT_FOUND:
                return None
            raise
        record = unwrap(body)
        if record is None or not is_same(record.get("id"), record_id):
            raise HubUnexpected(200, f"not the record of {collection} that was asked for")
        return snake_keys(record)


@dataclass(frozen=True)
class _Bucket:
    """A bucket of the right analysis and kind; without content while the hub has not made its storage."""

    bucket: AnalysisBucket | None

    @classmethod
    def read(cls, record: Record, analysis_id: UUID, kind: BucketKind) -> _Bucket | None:
        """Read a record; None when it is of another analysis or kind, whatever else is in it."""
        fields = snake_keys(record)
        if not is_same(fields.get("analysis_id"), analysis_id) or fields.get("type") != kind.value:
            return None
        dialect = dialect_of_bucket(record)
        storage = fields.get("external_id") or fields.get("bucket_id")
        if dialect is None or storage is None:
            return cls(None)
        return cls(
            AnalysisBucket(
                id=uuid_of(fields, "id"),
                analysis_id=analysis_id,
                kind=kind,
                storage_bucket_id=uuid_of({"storage id": storage}, "storage id"),
                links_by_itself=dialect.links_by_itself,
            )
        )


def _legacy_link(bucket: AnalysisBucket, file: BucketFile) -> dict[str, Any]:
    """What hubs up to 0.8.21 take (flame-hub-client 0.2.7): ``bucket_id`` is the analysis' bucket."""
    return {"name": file.name, "external_id": str(file.id), "bucket_id": str(bucket.id), "root": False}


def _newer_link(bucket: AnalysisBucket, file: BucketFile, spelling: Spelling) -> dict[str, Any]:
    """What newer hubs take (flame-hub-client 0.2.11): ``bucket_id`` is the storage bucket."""
    link = {
        "path": file.path,
        "bucket_file_id": str(file.id),
        "bucket_id": str(bucket.storage_bucket_id),
        "analysis_bucket_id": str(bucket.id),
        "root": False,
    }
    return {spelling.write(key): value for key, value in link.items()}
