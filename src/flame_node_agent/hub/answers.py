"""What an answer of the hub means: the one place that decides what is retryable.

    nobody answers, too late, 408, 429, 502, 503, 504     HubUnavailable, with the hub's Retry-After
    a body that is no JSON, whatever the status           HubUnexpected(None): a proxy's page, not the hub
    other 5xx, 3xx, JSON that is not the hub's            HubUnexpected(status)
    401                                                   HubCredentialsRefused (a fresh token was tried before)
    other 4xx in the hub's own form                       HubRefused: a final no

The hub's form of an error is ``{"statusCode", "code", "message"}``, with ``issues`` from hub 0.13 on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from flame_node_agent.errors import (
    HubCredentialsRefused,
    HubError,
    HubRefused,
    HubUnavailable,
    HubUnexpected,
)

LATER = frozenset({408, 429, 502, 503, 504})
BAD_REQUEST, UNAUTHORIZED, NOT_FOUND, CONFLICT, CONTENT_TOO_LARGE = 400, 401, 404, 409, 413
MAX_RETRY_AFTER_SECONDS = 3600.0
MAX_MESSAGE_CHARACTERS = 500
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)


@dataclass(frozen=True)
class Answer:
    """A complete answer: its status and its JSON, or None where there is none."""

    status: int
    body: Any
    decodable: bool
    retry_after: float | None = None
    """Seconds the hub wishes to be left alone for."""
    what: str = ""
    """What came, in a few words for a log."""

    def content(self) -> Any:
        """Return the JSON of a success; raises the :class:`HubError` that the answer means otherwise."""
        if (failure := self.failure()) is not None:
            raise failure
        return self.body

    def failure(self) -> HubError | None:
        """Say what kind of failure this is; None for a success."""
        if self.status in LATER:
            return HubUnavailable(f"the hub answered {self.status}", retry_after=self.retry_after)
        if not self.decodable:
            return HubUnexpected(None, f"{self.what} with status {self.status}")
        if 200 <= self.status < 300:
            return None
        error = _Refusal.read(self.body)
        if self.status == UNAUTHORIZED:
            return HubCredentialsRefused(error.message if error else "401")
        if error is None or not 400 <= self.status < 500 or error.status_code not in {None, self.status}:
            return HubUnexpected(self.status, error.message if error else self.what)
        return HubRefused(self.status, error.code, error.message)


@dataclass(frozen=True)
class _Refusal:
    """An error in the hub's own form."""

    status_code: int | None
    code: str
    message: str

    @classmethod
    def read(cls, body: Any) -> _Refusal | None:
        """Read the hub's form; None for JSON that is somebody else's, such as a gateway's."""
        if not isinstance(body, dict):
            return None
        status, code = body.get("statusCode"), body.get("code")
        if not isinstance(status, int) and not isinstance(code, str):
            return None
        parts = [str(body.get("message") or "no message"), *_issues(body.get("issues"))]
        return cls(
            status_code=status if isinstance(status, int) else None,
            code=one_line(code if isinstance(code, str) else "unknown"),
            message=one_line("; ".join(parts)),
        )


def _issues(issues: Any, depth: int = 0) -> Iterator[str]:
    """Flatten the tree of ``issues`` (hub 0.13, docs "API Reference"): one text per leaf."""
    for issue in issues if isinstance(issues, list) and depth < 5 else []:
        if not isinstance(issue, dict):
            continue
        if isinstance(issue.get("issues"), list):
            yield from _issues(issue["issues"], depth + 1)
        else:
            path = issue.get("path")
            place = ".".join(map(str, path)) if isinstance(path, list) else ""
            yield f"{issue.get('code', 'issue')} {place}".strip()


def one_line(text: str) -> str:
    """Make text from outside fit for a log: no control characters, and not too long."""
    return "".join(c if c.isprintable() else " " for c in text[:MAX_MESSAGE_CHARACTERS])


def retry_after(headers: httpx.Headers) -> float | None:
    """Read Retry-After in seconds, from a number or a date (RFC 9110, section 10.2.3); at most an hour is believed.

    A date counts from the server's own Date, so that a clock that is wrong on either side does no harm.
    """
    value = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), MAX_RETRY_AFTER_SECONDS)
    if (until := _date(value)) is None:
        return None
    now = _date(headers.get("Date", "")) or datetime.now(UTC)
    return min(max((until - now).total_seconds(), 0.0), MAX_RETRY_AFTER_SECONDS)


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
