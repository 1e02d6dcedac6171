"""An OIDC issuer in memory: keys, a JWKS, and tokens, good and bad."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64encode

from flame_node_agent.config.oidc import OidcSettings
from flame_node_agent.errors import HubUnavailable
from flame_node_agent.results.issuer_keys import IssuerKeys

PrivateKey = RSAKey | ECKey | OKPKey | OctKey
KID = "key-1"


@cache
def rsa_key(name: str = KID, bits: int = 2048) -> RSAKey:
    """A key by name: making one takes long."""
    return RSAKey.generate_key(bits, {"kid": name})


class IssuerDouble:
    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [public(rsa_key())]
        self.away = False
        self.document: Mapping[str, object] | None = None
        self.fetches = 0

    async def fetch(self) -> Mapping[str, object]:
        self.fetches += 1
        if self.away:
            raise HubUnavailable("connection refused")
        return {"keys": self.keys} if self.document is None else self.document

    def keys_for(self, settings: OidcSettings) -> IssuerKeys:
        """The node's view of this issuer."""
        return IssuerKeys(
            self.fetch, algorithms=settings.algorithms, refresh_seconds=settings.jwks_refresh_seconds
        )

    @staticmethod
    def claims(client_id: object = None, **other: object) -> dict[str, Any]:
        now = int(time.time())
        claims: dict[str, Any] = {"iat": now, "exp": now + 600, "iss": "https://issuer.example", **other}
        if client_id is not None:
            claims["client_id"] = str(client_id)
        return {name: value for name, value in claims.items() if value is not ...}

    def token(self, client_id: object = None, **other: object) -> str:
        """A good token; a claim given as ``...`` is left out."""
        return signed(self.claims(client_id, **other))


def public(key: PrivateKey, **parameters: object) -> dict[str, Any]:
    return {**key.as_dict(private=False), "use": "sig", **parameters}


def signed(
    claims: Mapping[str, Any] | bytes,
    key: PrivateKey | None = None,
    *,
    header: Mapping[str, Any] | None = None,
    algorithm: str = "RS256",
) -> str:
    """A token with any header and any content; the key is used as it is."""
    content = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    full = {"alg": algorithm, "kid": KID, **(header or {})}
    full = {name: value for name, value in full.items() if value is not ...}
    return signed_raw(json.dumps(full).encode(), content, key or rsa_key(), algorithm)


def signed_raw(header: bytes, content: bytes, key: PrivateKey, algorithm: str) -> str:
    text = urlsafe_b64encode(header) + b"." + urlsafe_b64encode(content)
    signature = JWSRegistry.algorithms[algorithm].sign(text, key)
    return (text + b"." + urlsafe_b64encode(signature)).decode()
