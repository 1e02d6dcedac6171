"""How the tokens of analyses are checked."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from flame_node_agent.config.values import Accepts, CommaSeparated, Distinct, Flag, Group, Seconds, Text, Url

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Asymmetric ones only: with HS* the public key would be the secret, and "none" is no signature."""

Algorithms = Annotated[
    tuple[Algorithm, ...],
    CommaSeparated,
    Distinct,
    Field(min_length=1),
    Accepts(f"one or more of {', '.join(get_args(Algorithm))}, separated by commas"),
]


class OidcSettings(Group):
    """Tokens of analyses: whose signatures count, and which claim names the analysis."""

    certs_url: Url = Field(
        description="URL of the issuer's JWKS endpoint, whose keys sign the tokens of the analyses."
    )
    client_id_claim_name: Text = Field(
        default="client_id",
        description="Claim of the token that holds the analysis id. FLAME's Keycloak charts use `azp`.",
    )
    skip_jwt_validation: Flag = Field(
        default=False,
        description="Believe every token without checking signature or expiry. For development only: "
        "with it, anybody on the network can act as any analysis.",
    )
    issuer: Text | None = Field(
        default=None, description="Value that the claim `iss` must have. Not checked when not given."
    )
    audience: Text | None = Field(
        default=None, description="Value that the claim `aud` must hold. Not checked when not given."
    )
    algorithms: Algorithms = Field(
        default=("RS256",),
        description="Signature algorithms that are accepted in tokens; asymmetric ones only.",
    )
    jwks_refresh_seconds: Seconds = Field(
        default=300,
        description="Age at which the issuer's keys are fetched anew. "
        "While the issuer is away, the known keys stay in use.",
    )
