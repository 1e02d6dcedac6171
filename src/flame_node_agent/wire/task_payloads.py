"""What the hub asks for in each type of task, as it stands in the opened envelope (FLIP trust-api, ``schemas.py``).

Unknown keys are ignored, so that a newer hub may say more.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_ENCODED_QUERY = 56_000
"""Characters: it becomes part of a URL. That is base64 of 10,240 characters, the hub's limit, of four bytes each."""


def _utf8(text: str) -> str:
    """Refuse lone surrogates, which JSON can spell and no request can carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("holds characters that are no text") from None
    return text


Text = Annotated[str, AfterValidator(_utf8)]
# It becomes part of a path. XNAT's ids of projects are made of these characters.
ImagingProjectId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
EncodedQuery = Annotated[Text, Field(max_length=MAX_ENCODED_QUERY)]


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class CohortQuery(_Payload):
    """``cohort_query``: aggregates of the patients whom a query finds."""

    encrypted_project_id: Text
    query_id: Text
    query_name: Text
    query: Text
    trust_id: Text


class PersistCohort(_Payload):
    """``persist_cohort``: freeze the cohort of an approved project."""

    project_id: Text
    trust_id: Text
    encrypted_project_id: Text
    query: Text
    query_id: Text | None = None


class ImagingUser(_Payload):
    """Somebody who works on an imaging project."""

    id: UUID
    email: Text
    is_disabled: bool = False


class CreateImaging(_Payload):
    """``create_imaging``: make an imaging project with its users, and fetch its studies."""

    project_id: UUID
    trust_id: UUID
    project_name: Text
    query: Text | None = None
    users: list[ImagingUser] = Field(default_factory=list)
    dicom_to_nifti: bool = True


class DeleteImaging(_Payload):
    """``delete_imaging``: remove an imaging project."""

    imaging_project_id: UUID


class ImagingStatus(_Payload):
    """``get_imaging_status`` and ``reimport_studies``: the studies of an imaging project."""

    imaging_project_id: ImagingProjectId
    encoded_query: EncodedQuery
    """SQL in base64url."""


class UserProfile(_Payload):
    """``update_user_profile``: switch a user of the imaging side on or off."""

    email: Text
    enabled: bool
