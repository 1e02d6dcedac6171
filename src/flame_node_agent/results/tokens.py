"""Bearer tokens of analyses: signed JWTs (RFC 7519) of the issuer whose keys are configured.

The rules are those of the FLAME Node Result Service (jwcrypto's): signature algorithm allowed, ``iat``,
``exp`` and the client-id claim present, ``exp`` compared with 60 seconds of leeway; ``nbf`` and the value of
``iat`` are not compared. Issuer and audience are compared where the settings name them. Everything in a
token's header that could choose a key or an algorithm by itself (``jku``, ``jwk``, ``x5u``, ``crit``) is
ignored or refused (RFC 8725).
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from binascii import Error as Base64Error
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode

from flame_node_agent.config.oidc import OidcSettings
from flame_node_agent.errors import Refused, TokenRejected
from flame_node_agent.results.issuer_keys import IssuerKeys, KeyRing

log = structlog.get_logger(__name__)

LEEWAY_SECONDS = 60
MAX_TOKEN_BYTES = 32 * 1024
REMEMBERED_TOKENS = 4096


@dataclass(frozen=True)
class Verified:
    """What a good token has shown: who calls, and until when (seconds since 1970)."""

    client_id: str
    expires_at: float


class TokenCheck:
    """Tells who calls. A good token is remembered until it expires or the issuer's keys change."""

    def __init__(
        self, settings: OidcSettings, keys: IssuerKeys, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock
        self._algorithms = frozenset(settings.algorithms)
        self._good: OrderedDict[bytes, Verified] = OrderedDict()
        self._good_with: bytes | None = None
        if settings.skip_jwt_validation:
            log.warning("token.validation_skipped")

    async def caller(self, authorization: str | None) -> str:
        """Name the client that a request comes from.

        Args:
            authorization: the request's header of that name.

        Raises:
            IssuerUnavailable: no keys are known; found out before the header is looked at.
            Refused: 403 for a header that is missing or of another scheme.
            TokenRejected: 403 for a token that proves nothing.
        """
        if self._settings.skip_jwt_validation:
            return self._client_id(_Token(_bearer(authorization)).claims)
        ring = await self._keys.current()
        return await self._verified(_bearer(authorization), ring)

    async def _verified(self, token: str, ring: KeyRing) -> str:
        if self._good_with != ring.fingerprint:
            self._good.clear()
            self._good_with = ring.fingerprint
        digest = hashlib.sha256(token.encode()).digest()
        known = self._good.get(digest)
        if known is None:
            known = await self._examined(token, ring)
            self._good[digest] = known
            if len(self._good) > REMEMBERED_TOKENS:
                self._good.popitem(last=False)
        else:
            self._good.move_to_end(digest)
            self._check_expiry(known.expires_at)
        return known.client_id

    async def _examined(self, text: str, ring: KeyRing) -> Verified:
        token = _Token(text)
        algorithm, kid = token.header.get("alg"), token.header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise TokenRejected("the algorithm is not allowed")
        if "crit" in token.header or "b64" in token.header:
            raise TokenRejected("the header demands extensions")
        if kid is not None and not isinstance(kid, str):
            raise TokenRejected("the key id is no string")
        if kid is not None and not ring.knows(kid):
            ring = await self._keys.knowing(kid)
        if not any(token.signed_by(key, algorithm) for key in ring.candidates(algorithm, kid)):
            raise TokenRejected("no key of the issuer has made the signature")
        return self._judged(token.claims)

    def _judged(self, claims: dict[str, Any]) -> Verified:
        expires_at = _timestamp(claims, "exp")
        _timestamp(claims, "iat")
        self._check_expiry(expires_at)
        if self._settings.issuer is not None and claims.get("iss") != self._settings.issuer:
            raise TokenRejected("another issuer")
        if self._settings.audience is not None:
            audience = claims.get("aud")
            if self._settings.audience not in (audience if isinstance(audience, list) else [audience]):
                raise TokenRejected("another audience")
        return Verified(self._client_id(claims), expires_at)

    def _check_expiry(self, expires_at: float) -> None:
        if expires_at < self._clock() - LEEWAY_SECONDS:
            raise TokenRejected("expired")

    def _client_id(self, claims: dict[str, Any]) -> str:
        client_id = claims.get(self._settings.client_id_claim_name)
        if not isinstance(client_id, str):
            raise TokenRejected("the client-id claim is missing or no string")
        return client_id


class _Token:
    """A JWS in compact form, taken apart but not believed."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_TOKEN_BYTES:
            raise TokenRejected("longer than any token of an issuer")
        try:
            header, payload, signature = text.encode("ascii").split(b".")
            self._signed = header + b"." + payload
            self._signature = urlsafe_b64decode(signature)
            self.header = _json_object(urlsafe_b64decode(header))
            self.claims = _json_object(urlsafe_b64decode(payload))
        except (ValueError, Base64Error, RecursionError) as error:
            raise TokenRejected("no JWS in compact form") from error

    def signed_by(self, key: Any, algorithm: str) -> bool:
        """Whether the signature is this key's."""
        try:
            return JWSRegistry.algorithms[algorithm].verify(self._signed, self._signature, key)
        except (JoseError, ValueError):
            return False


def _bearer(authorization: str | None) -> str:
    scheme, _, credentials = (authorization or "").partition(" ")
    if not scheme or not credentials.strip():
        raise Refused(403, "Not authenticated")
    if scheme.lower() != "bearer":
        raise Refused(403, "Invalid authentication credentials")
    return credentials.strip()


def _timestamp(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TokenRejected(f"{name} is missing or no time")
    return value


def _json_object(raw: bytes) -> dict[str, Any]:
    value = json.loads(raw, object_pairs_hook=_unique)
    if not isinstance(value, dict):
        raise TokenRejected("no JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that comes twice: two readers could believe different values (RFC 7515, section 4)."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found
