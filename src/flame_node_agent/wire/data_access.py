"""What data-access-api is asked and answers (FLIP data-access-api, ``/cohort`` and the routes below it).

Keys that a request has beyond these are ignored, as FLIP's services do.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

MAX_ENVELOPE_CHARACTERS = 16_384
"""A project's id sealed has about 200 characters."""

Envelope = Annotated[str, Field(max_length=MAX_ENVELOPE_CHARACTERS)]
"""The project's id in an envelope for the context ``project_id``."""

MAX_ID_CHARACTERS = 1000
Id = Annotated[str, Field(max_length=MAX_ID_CHARACTERS)]
"""Given back as it came. With a limit, pydantic also refuses what is no Unicode and could not be given back."""


class CohortQuery(BaseModel):
    """POST /cohort: a query whose statistics are wanted; the ids are given back as they came."""

    encrypted_project_id: Envelope
    query_id: Id
    query_name: str
    query: str
    trust_id: Id


class RowLevelQuery(BaseModel):
    """POST /cohort/dataframe, /cohort/accession-ids and /cohort/snapshot."""

    encrypted_project_id: Envelope
    query: str


class ProjectReference(BaseModel):
    """POST /cohort/snapshot/delete."""

    encrypted_project_id: Envelope


class Bucket(BaseModel):
    """One value of a statistic and how many have it."""

    value: str
    count: int


class Statistic(BaseModel):
    """One group of numbers, such as "Age Distribution"."""

    name: str
    results: list[Bucket]


class CohortStatisticsAnswer(BaseModel):
    """What may be told about a cohort; of one that is too small, what is told of an empty one."""

    query_id: str
    trust_id: str
    record_count: int
    created: str
    """The day in UTC, as YYYY-MM-DD."""
    data: list[Statistic]
    suppressed: bool


class AccessionIds(BaseModel):
    """The imaging studies of a cohort."""

    accession_ids: list[str]


class SnapshotFacts(BaseModel):
    """What was frozen: numbers that may leave, and no row."""

    row_count: int
    columns: list[str]
    has_accessions: bool
    snapshot_at: str
    """When it was frozen: ISO 8601 in UTC."""
    query_hash: str
    """SHA-256, in hex, of the query with its white space normalised and in lower case."""


class Deleted(BaseModel):
    """Whether there was a snapshot to delete."""

    deleted: bool


class ServiceHealth(BaseModel):
    """GET /health."""

    status: str
    version: str


class CohortRefusal(BaseModel):
    """Why a request was not served."""

    detail: str
