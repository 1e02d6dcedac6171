"""What the result endpoint answers to analyses, in the shapes of the FLAME Node Result Service.

``object_id`` in the answer to PUT /local, ``POST /local/tags`` and the state of an upload go beyond it; the
first two are those of its successor, the FLAME Node Storage Service.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

# The upstream models say HttpUrl, which would rewrite the host as the client spells it; only the schema is
# the same.
AbsoluteUrl = Annotated[str, Field(json_schema_extra={"format": "uri", "minLength": 1, "maxLength": 2083})]


class IntermediateUploadResponse(BaseModel):
    """Where an intermediate result can be fetched; ``object_id`` is the hub's id of the file."""

    url: AbsoluteUrl
    object_id: UUID


class LocalUploadResponse(BaseModel):
    """Where a local result can be fetched."""

    url: AbsoluteUrl
    object_id: UUID


class LocalTag(BaseModel):
    """A tag of the project, and where its results are listed."""

    name: str
    url: AbsoluteUrl


class LocalTagListResponse(BaseModel):
    """All tags of a project, oldest first."""

    tags: list[LocalTag] = Field(default_factory=list)


class LocalTaggedResult(BaseModel):
    """One file under a tag."""

    filename: str
    url: AbsoluteUrl


class LocalTaggedResultListResponse(BaseModel):
    """The files under a tag, in the order in which they were tagged."""

    results: list[LocalTaggedResult] = Field(default_factory=list)


class UploadStateResponse(BaseModel):
    """How far an accepted result has come on its way to the hub."""

    upload_id: UUID
    state: str
    """``waiting``, ``uploading``, ``uploaded`` (not linked yet), ``delivered``, or ``failed`` for good."""
    attempts: int
    last_error: str | None
    filename: str
    size: int
    """In bytes."""
    sha256: str
    """Of the content as the analysis sent it, in lower-case hex."""
    object_id: UUID | None
    """The hub's id of the file, once it is there."""
    created_at: datetime
    finished_at: datetime | None


class Refusal(BaseModel):
    """Why a request was not served."""

    detail: str
