"""The kinds of value a variable can hold, each with the sentence that tells an operator what it accepts.

A validator here raises :class:`ValueError` with a reason that completes "MINIO__ENDPOINT: …" and never
repeats the value: the operator may have put a secret into the wrong variable.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from cryptography.x509 import load_pem_x509_certificates
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, HttpUrl, SecretStr


@dataclass(frozen=True)
class Accepts:
    """What a variable accepts, as it stands in messages and in the documentation."""

    sentence: str


@dataclass(frozen=True)
class AlsoNamed:
    """Another name under which the same variable is understood."""

    variable: str
    gives_way: bool = False
    """Whether it is just not read beside the variable's own name; otherwise different values are a contradiction."""


class Group(BaseModel):
    """Settings of one subject; frozen like the whole tree."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, validate_default=True)


def _one_line(value: str) -> str:
    if any(ord(character) < 32 for character in value):
        raise ValueError("holds a line break or another control character")
    return value


def _one_line_secret(value: SecretStr) -> SecretStr:
    _one_line(value.get_secret_value())
    return value


def _plain_base(url: HttpUrl) -> HttpUrl:
    if url.username or url.password:
        raise ValueError("holds credentials")
    if url.query is not None or url.fragment is not None:
        raise ValueError("holds a query or a fragment")
    return url


def _proxy_url(value: SecretStr) -> SecretStr:
    try:
        url = urlsplit(value.get_secret_value())
        port_given = url.port is None or url.port > 0
    except ValueError:
        raise ValueError("is not a URL") from None
    if url.scheme not in {"http", "https"}:
        raise ValueError("is not an http or https URL")
    if not url.hostname or not port_given:
        raise ValueError("does not name a host")
    if url.path not in {"", "/"} or url.query or url.fragment:
        raise ValueError("holds more than a host and a port")
    return value


def _certificates(path: Path) -> Path:
    try:
        bundle = path.read_bytes()
    except OSError as error:
        raise ValueError(f"names a file that cannot be read ({error.strerror})") from None
    try:
        load_pem_x509_certificates(bundle)
    except ValueError:
        raise ValueError("names a file without a usable PEM certificate, or with a damaged one") from None
    return path


def _split(value: Any) -> Any:
    """Turn ``"a, b"`` into its items; anything but text is left to pydantic."""
    return [item.strip() for item in value.split(",")] if isinstance(value, str) else value


def _distinct[Items: tuple[Any, ...]](items: Items) -> Items:
    if len(set(items)) < len(items):
        raise ValueError("names the same twice")
    return items


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


IgnoreCaseUpper = BeforeValidator(_upper)
IgnoreCaseLower = BeforeValidator(_lower)
CommaSeparated = BeforeValidator(_split)
Distinct = AfterValidator(_distinct)

Text = Annotated[str, Field(min_length=1), AfterValidator(_one_line), Accepts("text in one line")]
Secret = Annotated[
    SecretStr, Field(min_length=1), AfterValidator(_one_line_secret), Accepts("text in one line")
]
Flag = Annotated[bool, Accepts("0 or 1 (or false, true, no, yes, off, on)")]
Port = Annotated[int, Field(ge=1, le=65535), Accepts("a port number from 1 to 65535")]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False), Accepts("a number of seconds above 0")]
Count = Annotated[int, Field(ge=1), Accepts("a whole number from 1 up")]
Limit = Annotated[int, Field(ge=0), Accepts("a whole number; 0 means unlimited")]
Url = Annotated[HttpUrl, Accepts("an http or https URL")]
BaseUrl = Annotated[
    HttpUrl,
    AfterValidator(_plain_base),
    Accepts("an http or https URL, also with a path, without credentials, query or fragment"),
]
ProxyUrl = Annotated[
    SecretStr,
    AfterValidator(_proxy_url),
    Accepts("http://host:port or https://host:port, also with user:password@ before the host"),
]
CertificateFile = Annotated[
    Path,
    AfterValidator(_certificates),
    Accepts("the path of a readable file with one or more PEM certificates"),
]
