"""Tokens of the test's issuer, remembered so that the logs can be searched for each of them."""

from __future__ import annotations

import uuid
from collections.abc import Generator

import httpx

from flame_node_agent.devstack.oidc import Claim, OidcIssuer
from flame_node_agent.devstack.ready_file import HUB_ADAPTER


class Bearer(httpx.Auth):
    """Authenticates requests with one token."""

    def __init__(self, token: str) -> None:
        self.token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        request.headers["Authorization"] = f"Bearer {self.token}"
        yield request


class Bearers:
    """Issues tokens, and knows all it has issued."""

    def __init__(self, issuer: OidcIssuer) -> None:
        self._issuer = issuer
        self.issued: list[str] = []

    def of(self, client_id: object, *, lifetime_seconds: float | None = None, **claims: Claim) -> Bearer:
        """For an analysis or another client; see :meth:`OidcIssuer.issue`."""
        return self.noted(self._issuer.issue(str(client_id), lifetime_seconds=lifetime_seconds, **claims))

    def of_anybody(self) -> Bearer:
        """For a client that the hub knows nothing of."""
        return self.of(uuid.uuid4())

    def of_hub_adapter(self) -> Bearer:
        """For the client that may delete a project's results."""
        return self.of(HUB_ADAPTER)

    def noted(self, token: str) -> Bearer:
        """For a token that was made elsewhere."""
        self.issued.append(token)
        return Bearer(token)
