"""Tokens that nobody's issuer has signed, put together by hand: libraries refuse to make most of them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from joserfc import jws
from joserfc.jwk import RSAKey

type Claims = dict[str, Any]


def claims_for(client_id: object, /, **others: object) -> Claims:
    """What a good token of an analysis says; None leaves a claim out."""
    now = int(time.time())
    named = {"client_id": str(client_id), "azp": str(client_id)}
    claims = {"iss": "http://issuer", "aud": "account", "iat": now, "exp": now + 600, **named, **others}
    return {name: value for name, value in claims.items() if value is not None}


def signed(claims: Mapping[str, Any], key: RSAKey, **header: object) -> str:
    """By RSA, with the header's parameters as they are given (``alg`` is RS256 unless it says otherwise)."""
    parameters = {"alg": "RS256", "typ": "JWT", **header}
    return _joined(parameters, claims, lambda text: jws.JWSRegistry.algorithms["RS256"].sign(text, key))


def unsigned(claims: Mapping[str, Any], **header: object) -> str:
    """With an empty signature."""
    return _joined({"alg": "none", **header}, claims, lambda _text: b"")


def authenticated(claims: Mapping[str, Any], secret: bytes, **header: object) -> str:
    """By HMAC with a secret that everybody knows."""
    parameters = {"alg": "HS256", **header}
    return _joined(parameters, claims, lambda text: hmac.digest(secret, text, hashlib.sha256))


def stranger() -> RSAKey:
    """A key that the issuer does not have."""
    return RSAKey.generate_key(2048)


def _joined(header: Mapping[str, Any], claims: Mapping[str, Any], sign: Any) -> str:
    text = b".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
    return (text + b"." + _encoded(sign(text))).decode()


def _encoded(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
