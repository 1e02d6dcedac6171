"""What the outbox is made of: an upload, where it stands, and whom it is for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from psycopg.rows import DictRow

from flame_node_agent.wire.hub import AnalysisBucket, BucketKind


class UploadKind(StrEnum):
    """Which bucket of the analysis a file goes to: RESULT or TEMP."""

    FINAL = "final"
    INTERMEDIATE = "intermediate"

    @property
    def bucket(self) -> BucketKind:
        """The hub's name of the bucket."""
        return BucketKind.RESULT if self is UploadKind.FINAL else BucketKind.TEMP


class UploadState(StrEnum):
    """Where an upload stands; see the drawing in :mod:`flame_node_agent.stores.outbox`."""

    WAITING = "waiting"
    UPLOADING = "uploading"
    UPLOADED = "uploaded"
    DELIVERED = "delivered"
    FAILED = "failed"
    RETRACTING = "retracting"
    RETRACTED = "retracted"


@dataclass(frozen=True)
class Recipient:
    """The node a file is sealed for: its id and its public key as the hub gives it (hex of the PEM)."""

    node_id: UUID
    public_key_hex: str


@dataclass(frozen=True)
class NewUpload:
    """A stored object that is to reach the hub."""

    upload_id: UUID
    kind: UploadKind
    analysis_id: UUID
    project_id: UUID | None
    object_key: str
    filename: str
    content_type: str
    size: int
    sha256: str
    bucket: AnalysisBucket | None
    owns_object: bool = True  # False: the object is a local result that stays


@dataclass(frozen=True)
class Upload:
    """One row."""

    upload_id: UUID
    kind: UploadKind
    interactive: bool
    analysis_id: UUID
    project_id: UUID | None
    object_key: str
    owns_object: bool
    filename: str
    content_type: str
    size: int
    sha256: str
    bucket: AnalysisBucket | None
    recipient: Recipient | None
    seal_nonce: bytes | None
    hub_path: str | None
    hub_file_id: UUID | None
    state: UploadState
    attempts: int
    lease_token: UUID | None
    last_error: str | None
    created_at: datetime
    finished_at: datetime | None


def upload_of(row: DictRow) -> Upload:
    """A row as an :class:`Upload`."""
    bucket = None
    kind = UploadKind(row["kind"])
    if row["storage_bucket_id"] is not None:
        bucket = AnalysisBucket(
            id=row["bucket_id"],
            analysis_id=row["analysis_id"],
            kind=kind.bucket,
            storage_bucket_id=row["storage_bucket_id"],
            links_by_itself=row["links_by_itself"],
        )
    recipient = None
    if row["recipient_node_id"] is not None:
        recipient = Recipient(row["recipient_node_id"], row["recipient_public_key"])
    return Upload(
        upload_id=row["upload_id"],
        kind=kind,
        interactive=row["interactive"],
        analysis_id=row["analysis_id"],
        project_id=row["project_id"],
        object_key=row["object_key"],
        owns_object=row["owns_object"],
        filename=row["filename"],
        content_type=row["content_type"],
        size=row["size"],
        sha256=row["sha256"],
        bucket=bucket,
        recipient=recipient,
        seal_nonce=row["seal_nonce"],
        hub_path=row["hub_path"],
        hub_file_id=row["hub_file_id"],
        state=UploadState(row["state"]),
        attempts=row["attempts"],
        lease_token=row["lease_token"],
        last_error=row["last_error"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
    )
