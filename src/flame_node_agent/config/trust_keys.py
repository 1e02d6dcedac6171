"""The kinds of value that only a trust's own variables hold: keys, header names, identifiers.

A reason never repeats the value: the operator may have put a secret into the wrong variable.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, SecretStr

from flame_node_agent.config.values import Accepts, Text

AES_KEY_BYTES = 32
SHARED_KID = "shared"
"""Key id of the key that trust and hub share (FLIP trust-api, envelope)."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _not_a_placeholder(value: SecretStr) -> SecretStr:
    if value.get_secret_value().startswith("<"):
        raise ValueError("is still the placeholder of the kit")
    return value


def _aes_key(value: SecretStr) -> SecretStr:
    try:
        key = base64.b64decode(value.get_secret_value(), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64") from None
    if len(key) != AES_KEY_BYTES:
        raise ValueError(f"holds {len(key)} bytes")
    return value


def _header_value(value: SecretStr) -> SecretStr:
    if not all(32 < ord(character) < 127 for character in value.get_secret_value()):
        raise ValueError("holds characters that no HTTP header can carry")
    return value


def _header_name(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise ValueError("is not a valid name of an HTTP header")
    return value


def _segment(value: str) -> str:
    if "/" in value or "\\" in value or value.strip() in {"", ".", ".."}:
        raise ValueError("cannot stand in a URL as one part of its path")
    return value


def _kid(value: str) -> str:
    if "|" in value or any(character.isspace() for character in value):
        raise ValueError("holds a space or a |")
    if value == SHARED_KID:
        raise ValueError("is the id of the key in AES_KEY_BASE64")
    return value


AesKey = Annotated[
    SecretStr,
    AfterValidator(_aes_key),
    Accepts("base64 of exactly 32 bytes, as `openssl rand -base64 32` writes it"),
]
HeaderSecret = Annotated[
    SecretStr,
    Field(min_length=1),
    AfterValidator(_not_a_placeholder),
    AfterValidator(_header_value),
    Accepts("printable ASCII characters without spaces"),
]
HeaderName = Annotated[
    Text, AfterValidator(_header_name), Accepts("the name of an HTTP header, as in X-Trust-API-Key")
]
PathSegment = Annotated[
    Text, AfterValidator(_segment), Accepts("text in one line without / and \\, other than . and ..")
]
KeyId = Annotated[
    Text, AfterValidator(_kid), Accepts(f"text in one line without spaces and |, other than {SHARED_KID}")
]
TrustId = Annotated[UUID, Accepts("a UUID")]
