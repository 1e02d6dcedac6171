"""The node's access token: fetched once, kept while it is good, renewed by one request at a time.

Wire format: ``POST {auth}/token`` with a JSON body, as authup (the hub's auth service) takes it from flame-hub-client;
the answer is that of OAuth 2 (RFC 6749, section 5.1).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import Any

import httpx
import structlog
from authlib.oauth2.rfc6749 import OAuth2Token
from pydantic import BaseModel, Field, ValidationError

from flame_node_agent.config.hub import ClientAuth, HubAuth, PasswordAuth, RobotAuth
from flame_node_agent.errors import HubCredentialsRefused, HubRefused, HubUnexpected
from flame_node_agent.hub.exchange import exchange

log = structlog.get_logger(__name__)

MARGIN_SECONDS = 60.0
"""How long before its end a token is renewed; a quarter of its life where that is shorter."""
REFUSALS = frozenset({400, 401, 403})


class _TokenAnswer(BaseModel):
    """The answer of the token endpoint. Visible ASCII only: the token becomes a header."""

    access_token: str = Field(pattern=r"^[\x21-\x7e]+$", repr=False)
    expires_in: float = Field(default=300, ge=0, allow_inf_nan=False)
    refresh_token: str | None = Field(default=None, repr=False)


@dataclass(frozen=True, repr=False)
class _Token:
    oauth: OAuth2Token
    leeway: float
    """How many seconds before its end it is given up."""
    refused: bool = False

    @property
    def is_good(self) -> bool:
        return not self.refused and not self.oauth.is_expired(self.leeway)

    @property
    def access(self) -> str:
        return str(self.oauth["access_token"])

    @property
    def refresh(self) -> str | None:
        token: str | None = self.oauth["refresh_token"]
        return token


class TokenSource:
    """Gives the access token of this node; shared by all sessions with the hub."""

    def __init__(self, client: httpx.AsyncClient, auth: HubAuth) -> None:
        self._client = client
        self._auth = auth
        self._token: _Token | None = None
        self._renewal: asyncio.Task[str] | None = None

    async def token(self) -> str:
        """Give a token that is good for a while; however many ask, one request fetches it.

        Raises:
            HubCredentialsRefused: the hub does not accept this node's credentials.
            HubUnavailable, HubUnexpected: no token could be had now.
        """
        if self._token is not None and self._token.is_good:
            return self._token.access
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew(), name="hub token")
            self._renewal.add_done_callback(self._renewed)
        # Shielded: whoever gives up waiting does not take the token away from the others.
        return await asyncio.shield(self._renewal)

    def invalidate(self, token: str) -> None:
        """Forget ``token`` after the hub has refused it; a newer one stays."""
        if self._token is not None and self._token.access == token:
            self._token = replace(self._token, refused=True)

    async def aclose(self) -> None:
        """Give up a renewal that is under way."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)

    def _renewed(self, renewal: asyncio.Task[str]) -> None:
        self._renewal = None
        if not renewal.cancelled() and (failure := renewal.exception()) is not None:
            log.warning("hub.token_not_renewed", error=str(failure))

    async def _renew(self) -> str:
        self._token = await self._refreshed() or await self._request(_grant(self._auth))
        log.debug("hub.token_renewed", flow=self._auth.flow)
        return self._token.access

    async def _refreshed(self) -> _Token | None:
        """Use the refresh token of the password flow; None when there is none, or it is refused."""
        refresh = self._token.refresh if self._token is not None else None
        if refresh is None or not isinstance(self._auth, PasswordAuth):
            return None
        grant = {"grant_type": "refresh_token", "refresh_token": refresh}
        try:
            return await self._request(grant)
        except (HubCredentialsRefused, HubUnexpected) as refusal:
            log.info("hub.refresh_token_refused", error=str(refusal))
            self._token = None
            return None

    async def _request(self, grant: dict[str, str]) -> _Token:
        asked = time.time()
        request = self._client.build_request("POST", "token", json=grant)
        body = await self._accepted(request)
        try:
            answer = _TokenAnswer.model_validate(body)
        except ValidationError as error:
            # Its text would show the answer, so it is not chained.
            fields = ", ".join(str(problem["loc"][0]) for problem in error.errors() if problem["loc"])
            raise HubUnexpected(200, f"a token answer without a usable {fields or 'body'}") from None
        token = {
            "access_token": answer.access_token,
            "expires_at": asked + answer.expires_in,
            # An answer without a new one leaves the old one good (RFC 6749, section 6).
            "refresh_token": answer.refresh_token or grant.get("refresh_token"),
        }
        return _Token(OAuth2Token(token), leeway=min(MARGIN_SECONDS, answer.expires_in / 4))

    async def _accepted(self, request: httpx.Request) -> Any:
        answer = await exchange(self._client, request, "auth")
        try:
            return answer.content()
        except HubRefused as refusal:
            raise HubCredentialsRefused(str(refusal)) from refusal
        except HubUnexpected as error:
            if error.status in REFUSALS:  # OAuth 2's own form, {"error": "invalid_client"}
                raise HubCredentialsRefused(str(error)) from error
            raise


def _grant(auth: HubAuth) -> dict[str, str]:
    match auth:
        case PasswordAuth():
            return {
                "grant_type": "password",
                "username": auth.username,
                "password": auth.password.get_secret_value(),
            }
        case RobotAuth():
            return {
                "grant_type": "robot_credentials",
                "id": auth.id,
                "secret": auth.secret.get_secret_value(),
            }
        case ClientAuth():
            return {
                "grant_type": "client_credentials",
                "client_id": auth.id,
                "client_secret": auth.secret.get_secret_value(),
            }
