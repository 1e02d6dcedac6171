"""Bearer tokens: JWTs signed with a key that lives in the state file, so that they outlive a restart of the hub."""

from __future__ import annotations

import secrets
import sqlite3
import time
from dataclasses import dataclass

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from flame_node_agent.devstack.hub.profile import Profile
from flame_node_agent.devstack.hub.refusals import Refusal

_ALGORITHM = "HS256"
_REFRESH_SECONDS = 259_200


@dataclass(frozen=True)
class Identity:
    """Who is calling: a ``user``, ``robot`` or ``client`` of a realm."""

    type: str
    id: str
    realm_id: str


def signing_key(connection: sqlite3.Connection) -> str:
    """The key of this state folder, made once."""
    connection.execute(
        "INSERT OR IGNORE INTO settings (name, value) VALUES ('signing_key', ?)", (secrets.token_hex(32),)
    )
    return str(connection.execute("SELECT value FROM settings WHERE name = 'signing_key'").fetchone()[0])


class Tokens:
    """Issues and checks tokens; ``seconds`` is the life of an access token."""

    def __init__(self, key: str, profile: Profile, seconds: int) -> None:
        self._key = OctKey.import_key(key)
        self._profile = profile
        self._seconds = seconds

    def grant(self, identity: Identity, *, refreshable: bool) -> dict[str, str | int]:
        """The body of a successful token request (RFC 6749 5.1)."""
        answer: dict[str, str | int] = {
            "access_token": self._sign(identity, "access_token", self._seconds),
            "expires_in": self._seconds,
            "token_type": "Bearer",
            "scope": "global",
        }
        if refreshable:
            answer["refresh_token"] = self._sign(identity, "refresh_token", _REFRESH_SECONDS)
        return answer

    def identify(self, authorization: str | None) -> Identity:
        """Whom an Authorization header proves; a 401 if nobody."""
        if not authorization:
            raise Refusal(401, "You are not authenticated.")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Refusal(401, "The authorization header type is not supported.")
        return self._verify(token.strip(), "access_token", status=401)

    def identify_refresh(self, token: str) -> Identity:
        """Whom a refresh token proves; authup answers 400 if nobody."""
        return self._verify(token, "refresh_token", status=400)

    def _sign(self, identity: Identity, kind: str, seconds: int) -> str:
        issued = int(time.time())
        claims = {
            "sub": identity.id,
            "sub_kind": identity.type,
            "realm_id": identity.realm_id,
            "kind": kind,
            "iat": issued,
            "exp": issued + seconds,
            "jti": secrets.token_hex(8),
        }
        return jwt.encode({"alg": _ALGORITHM}, claims, self._key)

    def _verify(self, token: str, kind: str, *, status: int) -> Identity:
        try:
            claims = jwt.decode(token, self._key, algorithms=[_ALGORITHM]).claims
        except (JoseError, ValueError):
            raise Refusal(status, "The JWT is invalid.", code="invalid_token") from None
        if claims.get("kind") != kind:
            raise Refusal(status, "The JWT is invalid.", code="invalid_token")
        if claims["exp"] <= time.time():
            raise Refusal(status, "The JWT is expired.", code="expired_token")
        return Identity(type=claims["sub_kind"], id=claims["sub"], realm_id=claims["realm_id"])
