"""What the hub tells, as far as the agent needs it; the same for every generation of the hub.

How a hub of a certain version spells these facts is known to :mod:`flame_node_agent.hub` alone. Unknown keys
are ignored, so that a newer hub may say more.
"""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class _Record(BaseModel):
    """A fact the hub has told; never changed afterwards."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class BucketKind(StrEnum):
    """The three buckets that the hub makes for each analysis."""

    CODE = "CODE"
    RESULT = "RESULT"
    TEMP = "TEMP"


class AnalysisBucket(_Record):
    """A bucket of an analysis: the record at hub core, and the storage bucket that takes its files."""

    id: UUID
    analysis_id: UUID
    kind: BucketKind
    storage_bucket_id: UUID
    links_by_itself: bool
    """Whether this hub links an uploaded file to the analysis on its own (from 0.8.22 on)."""


class BucketFile(_Record):
    """A file in a storage bucket."""

    id: UUID
    name: str
    path: str
    size: int | None
    """In bytes; a hub that has not counted says nothing."""
    bucket_id: UUID
    actor_id: str | None = None
    """The user, robot or client that has sent it."""


class Analysis(_Record):
    """An analysis and the project it belongs to."""

    id: UUID
    project_id: UUID


class Node(_Record):
    """A node of the network, with its public key if it has deposited one."""

    id: UUID
    public_key_hex: str | None
    """Lower-case hex of the PEM text, as the hub stores it."""


class Project(_Record):
    """A project that exists at the hub."""

    id: UUID
