"""How each kind of secret of a trust is made."""

from __future__ import annotations

import base64
import hashlib
import secrets

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

KEY_BYTES = 32
PASSWORD_BYTES = 24


def api_key() -> str:
    """A key that one side shows to the other (FLIP hub, ``register_trust``: ``token_urlsafe(32)``)."""
    return secrets.token_urlsafe(KEY_BYTES)


def aes_key() -> str:
    """An AES-256 key in base64."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")


def password() -> str:
    """A password of letters, digits, ``-`` and ``_``, which no shell, URL or connection string needs quoted.

    The first character is a letter: some programs take a leading dash for an option.
    """
    return secrets.choice("abcdefghijkmnpqrstuvwxyz") + secrets.token_urlsafe(PASSWORD_BYTES)


def ecdh_private_key() -> str:
    """A private key on P-256, the curve of FLAME's hubs, as PKCS#8 PEM on one line.

    Env files hold one line for a variable; the settings read the spaces as the line breaks they stand for.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")
    first, *body, last = pem.split("\n")[:-1]
    return f"{first} {''.join(body)} {last}"


def key_hash(key: str) -> str:
    """What the hub keeps of an API key: SHA-256 in hex (FLIP hub, ``TRUST_API_KEY_HASHES``)."""
    return hashlib.sha256(key.encode()).hexdigest()
