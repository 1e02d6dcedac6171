"""Who may call: services of this trust, and, to define a cohort, those of them that hold the AES key.

Rules, order and texts are those of FLIP's data-access-api. The FL client has the internal key but not the AES key, so
that researchers' code can read its cohort and never define one.
"""

from __future__ import annotations

import hashlib
from secrets import compare_digest

from starlette.requests import Request

from flame_node_agent.errors import Refused

MISSING = "Not authenticated: trust-internal service key is missing."
NOT_CONFIGURED = "Trust-internal service auth not configured."
WRONG = "Invalid trust-internal service key."
NO_ADMIN = "Not authorised to define the cohort snapshot."


class InternalKey:
    """The key that the services of a trust show one another."""

    def __init__(self, header: str, key: str | None) -> None:
        """Without a ``key`` everybody is refused."""
        self.header = header
        self._key = key.encode() if key else None

    def check(self, request: Request) -> None:
        """Refuse whoever does not show the key.

        Raises:
            Refused: 401.
        """
        shown = _shown(request, self.header)
        if not shown:
            raise _unauthenticated(MISSING)
        if self._key is None:
            raise _unauthenticated(NOT_CONFIGURED)
        if not compare_digest(shown, self._key):
            raise _unauthenticated(WRONG)


class AdminKey:
    """Proof of holding the AES key that the trust shares with the hub: the SHA-256 of its base64 text, in hex."""

    def __init__(self, header: str, shared_key_text: str) -> None:
        self.header = header
        self._expected = hashlib.sha256(shared_key_text.encode()).hexdigest().encode()

    def check(self, request: Request) -> None:
        """Refuse whoever does not show it; the answer does not tell missing and wrong apart.

        Raises:
            Refused: 403.
        """
        if not compare_digest(_shown(request, self.header), self._expected):
            raise Refused(403, NO_ADMIN)


def _shown(request: Request, header: str) -> bytes:
    # ASGI gives headers as the bytes that were sent; Starlette reads them as Latin-1.
    return request.headers.get(header, "").encode("latin-1")


def _unauthenticated(detail: str) -> Refused:
    return Refused(401, detail, headers={"WWW-Authenticate": "ApiKey"})
