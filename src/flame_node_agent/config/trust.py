"""What the services of one trust have in common: the names are FLIP's, of trust-api and data-access-api.

One kit file (``trust/.env.<CODE>``) feeds all of them, so these variables alone say nothing about which service runs.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from flame_node_agent.config.shared import ServiceSettings
from flame_node_agent.config.trust_keys import AesKey, HeaderName, HeaderSecret, KeyId
from flame_node_agent.config.values import Accepts, Flag, IgnoreCaseLower, Port

Environment = Annotated[
    Literal["development", "production"], IgnoreCaseLower, Accepts("development or production")
]


class TrustSettings(ServiceSettings):
    """All services of a trust: keys that hub and services share, and where the OMOP database is."""

    env: Environment = Field(
        default="development",
        description="With `production` data-access-api does not serve the pages that describe its routes (`/docs`, "
        "`/openapi.json`).",
    )
    aes_key_base64: AesKey = Field(
        description="Key that trust and hub share: tasks and project ids are sealed with it (AES-256-GCM)."
    )
    trust_aes_kid: KeyId | None = Field(
        default=None, description="Id of the trust's own key, for hubs that seal for each trust by itself."
    )
    trust_aes_key_base64: Annotated[
        AesKey | None, Accepts("base64 of exactly 32 bytes; goes with TRUST_AES_KID")
    ] = Field(default=None, description="The trust's own key, which has the id TRUST_AES_KID.")
    aes_accept_legacy_cbc: Flag = Field(
        default=False,
        description="Also open payloads in the unauthenticated AES-CBC form of old hubs. Each use is logged as a "
        "warning: who can change such a payload on its way can change what it says.",
    )
    trust_internal_service_key: HeaderSecret | None = Field(
        default=None,
        description="Secret that the services of the trust show each other. Without it data-access-api answers every "
        "call with 401.",
    )
    trust_internal_service_key_header: HeaderName = Field(
        default="X-Trust-Internal-Service-Key", description="Header that carries that secret."
    )
    cohort_admin_key_header: Annotated[
        HeaderName,
        Accepts("the name of an HTTP header, other than that of TRUST_INTERNAL_SERVICE_KEY_HEADER"),
    ] = Field(
        default="X-Cohort-Admin-Key",
        description="Header with which the agent shows data-access-api that it may define a project's cohort.",
    )
    omop_db_port: Port = Field(default=5432, description="Port of the OMOP database.")

    @field_validator("trust_aes_key_base64")
    @classmethod
    def _own_key_and_its_id_go_together(cls, key: AesKey | None, info: ValidationInfo) -> AesKey | None:
        kid = info.data.get("trust_aes_kid", key)  # a wrong id is told by itself
        if key is None and kid is not None:
            raise ValueError("is missing, and is needed as TRUST_AES_KID is given")
        if key is not None and kid is None:
            raise ValueError("is given without TRUST_AES_KID")
        return key

    @field_validator("cohort_admin_key_header")
    @classmethod
    def _headers_differ(cls, name: str, info: ValidationInfo) -> str:
        if name.lower() == info.data.get("trust_internal_service_key_header", "").lower():
            raise ValueError("is the header of TRUST_INTERNAL_SERVICE_KEY_HEADER")
        return name
