"""What tells one hub release from another on the wire.

Three releases stand for the three dialects that nodes meet: 0.8.21 (2025-11) with robots, ``external_id`` and links
made by the node; 0.8.30 (2026-03) with clients, ``bucket_id`` and links made by the hub; 0.13 (2026-07) with
camelCase names, ``{data, meta}`` records and ``meta.schema``. Sources: PrivateAIM/hub at these releases, and what the
models of flame-hub-client 0.2.7, 0.2.16, 0.5.5 and 1.1.0 require.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Release(IntEnum):
    """The emulated releases in their order, so that a field can say since when and until when it exists."""

    R0_8_21 = 1
    R0_8_30 = 2
    R0_13 = 3


@dataclass(frozen=True)
class Profile:
    """Everything that depends on the release and is not a property of a single field."""

    version: str
    release: Release
    grants: frozenset[str]
    camel_case: bool = False
    enveloped: bool = False
    links_by_itself: bool = True
    bucket_by_name: bool = False
    token_seconds: int = 900
    duplicate_status: int = 409
    bad_client_status: int = 400
    codes: Mapping[int, str] = field(default_factory=dict)

    def wire_name(self, name: str) -> str:
        """``bucket_file_id`` as this release spells it."""
        if not self.camel_case:
            return name
        head, *rest = name.split("_")
        return head + "".join(word.capitalize() for word in rest)


# The codes of @ebec/http, which hubs answered with until they got a vocabulary of their own.
_HTTP_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_SERVER_ERROR",
    502: "BAD_GATEWAY",
    503: "SERVICE_UNAVAILABLE",
    504: "GATEWAY_TIMEOUT",
    507: "INSUFFICIENT_STORAGE",
}
# The codes of @privateaim/errors.
_HUB_CODES = {
    400: "bad_request",
    401: "identity_unauthorized",
    403: "permission_denied",
    404: "entity_not_found",
    405: "bad_request",
    409: "entity_conflict",
    429: "bad_request",
    500: "internal_error",
    502: "internal_error",
    503: "internal_error",
    504: "internal_error",
    507: "storage_insufficient",
}

PROFILES: Mapping[str, Profile] = {
    "0.8.21": Profile(
        version="0.8.21",
        release=Release.R0_8_21,
        grants=frozenset({"password", "refresh_token", "robot_credentials"}),
        links_by_itself=False,
        bucket_by_name=True,
        token_seconds=3600,
        # PostgreSQL's 23505 was not recognised yet.
        duplicate_status=500,
        codes=_HTTP_CODES,
    ),
    "0.8.30": Profile(
        version="0.8.30",
        release=Release.R0_8_30,
        grants=frozenset({"password", "refresh_token", "client_credentials"}),
        codes={**_HTTP_CODES, 404: "entity_not_found", 409: "entity_conflict"},
    ),
    "0.13": Profile(
        version="0.13.0",
        release=Release.R0_13,
        grants=frozenset({"password", "refresh_token", "client_credentials"}),
        camel_case=True,
        enveloped=True,
        # RFC 6749 5.2, since authup answers it so.
        bad_client_status=401,
        codes=_HUB_CODES,
    ),
}
