"""What must never appear in a log: this node's secrets, and whatever looks like somebody's.

Known secrets are replaced wherever they occur, also as libraries quote them (URL-encoded, JSON, ``repr``).
What looks like a credential is replaced even though the agent does not know it: tokens of analyses,
``Authorization`` values, passwords in URLs and connection strings, private keys.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

from pydantic import BaseModel, SecretStr
from structlog.typing import EventDict, WrappedLogger

MASK = "***"

_SHORT = 8
"""A secret of fewer characters is replaced only where it stands alone, or no log would stay readable."""

_CREDENTIAL = (
    r"(?:password|passwd|secret|secret[_-]?key|(?:access|refresh|id)[_-]?token|api[_-]?key|private[_-]?key)"
)
_SECRET_KEY = re.compile(rf"(?:{_CREDENTIAL}|authorization|cookie|token)$", re.IGNORECASE)
_WORD = re.compile(r"[\w.-]{15,}")
_ARMOUR = re.compile(r"-----[A-Z ]+-----")

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.*?(?:-----END \1PRIVATE KEY-----|\Z)", re.DOTALL),
        MASK,
    ),
    (
        re.compile(r"(authorization\\?[\"']?\s*[:=]\s*\\?[\"']?)(?:\w+\s+)?[^\s\"',;]+", re.IGNORECASE),
        rf"\1{MASK}",
    ),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"(://[^\s/:@]*:)[^\s/]+@"), rf"\1{MASK}@"),
    # key=value, key: value and JSON, also with the quotes escaped by a JSON around it.
    (
        re.compile(
            rf"({_CREDENTIAL}\\?[\"']?\s*[=:]\s*)(?:\\?\"[^\"]*\"|'[^']*'|[^\s\"',;&)}}]+)", re.IGNORECASE
        ),
        rf"\1{MASK}",
    ),
)


def secrets_in(settings: BaseModel) -> Iterator[str]:
    """Find every secret value of a settings tree, and the parts of it that are secret by themselves."""
    for value in dict(settings).values():
        if isinstance(value, BaseModel):
            yield from secrets_in(value)
        elif isinstance(value, SecretStr):
            secret = value.get_secret_value()
            yield secret
            # FLIP's services show each other the digest of the shared key's text as another key.
            yield hashlib.sha256(secret.encode()).hexdigest()
            if "-----BEGIN" in secret:
                # A library that fails on a line of the key quotes that line only.
                yield from _ARMOUR.sub("", secret.replace("\\n", "\n")).split()
            elif "://" in secret:
                yield from _credentials(secret)


class Redaction:
    """A structlog processor that masks ``secrets``, and what looks like one, in every value of an event."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = {spelling for secret in secrets if secret for spelling in _spellings(secret)}
        # The longest first, so that a secret that contains another one disappears as a whole.
        parts = [_whole(spelling) for spelling in sorted(spellings, key=len, reverse=True)]
        self._known = re.compile("|".join(parts)) if parts else None

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """Mask the values of one event; its keys, its level and its time are the agent's own."""
        return {
            key: value if key in {"level", "timestamp"} else self._entry(key, value)
            for key, value in event.items()
        }

    def text(self, text: str) -> str:
        """Mask everything secret in ``text``."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        text = _WORD.sub(_without_token, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    def _entry(self, key: object, value: Any) -> Any:
        return MASK if isinstance(key, str) and _SECRET_KEY.search(key) and value else self._value(value)

    def _value(self, value: Any) -> Any:
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return self.text(value)
            case bytes() | bytearray() | memoryview():
                return self.text(bytes(value).decode("utf-8", "backslashreplace"))
            case Mapping():
                return {self.text(str(key)): self._entry(key, item) for key, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._value(item) for item in value]
            case BaseException():
                return self.text(f"{type(value).__name__}: {value}")
            case _:
                return self.text(str(value))


def _without_token(word: re.Match[str]) -> str:
    """Mask a JWS or JWE in compact form: a JSON object in base64url, and what is glued to it with dots."""
    start = word[0].find("eyJ")
    # The shortest header, {"alg":""}, has 14 characters.
    return word[0][:start] + MASK if start >= 0 and word[0].find(".", start) >= start + 14 else word[0]


def _credentials(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.password:
        yield from (parts.password, unquote(parts.password), f"{parts.username}:{parts.password}")


def _spellings(secret: str) -> set[str]:
    return {
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
    }


def _whole(spelling: str) -> str:
    return re.escape(spelling) if len(spelling) >= _SHORT else rf"(?<!\w){re.escape(spelling)}(?!\w)"
