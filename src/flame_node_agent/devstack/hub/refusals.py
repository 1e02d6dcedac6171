"""How the hub says no: one exception, one JSON shape per release."""

from __future__ import annotations

from http.client import responses
from typing import Any

from flame_node_agent.devstack.hub.profile import Profile, Release


class Refusal(Exception):
    """A request is answered with ``status`` and the hub's error JSON; ``code`` defaults to the release's own."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, issues: list[Any] | None = None
    ) -> None:
        self.status = status
        self.message = message
        self.code = code
        self.issues = issues or []
        super().__init__(f"{status}: {message}")


def not_found(what: str = "entity") -> Refusal:
    return Refusal(404, f"The {what} was not found.")


def bad_request(message: str, *, issues: list[Any] | None = None) -> Refusal:
    return Refusal(400, message, issues=issues)


def duplicate(profile: Profile) -> Refusal:
    """A UNIQUE constraint was hit (FLAME hub 0.8.21 on PostgreSQL: an internal error)."""
    if profile.duplicate_status == 409:
        return Refusal(409, "An entry with some unique attributes already exists.")
    return Refusal(profile.duplicate_status, "duplicate key value violates unique constraint")


def error_body(
    profile: Profile, status: int, message: str, code: str | None, issues: list[Any]
) -> dict[str, Any]:
    """The error JSON: ``statusCode``, ``code``, ``message``; later ``issues``.

    flame-hub-client 0.2.16 wants a ``name`` beside them, its predecessor and successors do not.
    """
    fallback = "internal_error" if profile.camel_case else "INTERNAL_SERVER_ERROR"
    body: dict[str, Any] = {
        "statusCode": status,
        "code": code or profile.codes.get(status, fallback),
        "message": message,
    }
    if profile.release >= Release.R0_8_30:
        body["issues"] = issues
    if profile.release is Release.R0_8_30:
        body["name"] = responses.get(status, "Http").title().replace(" ", "") + "Error"
    return body
