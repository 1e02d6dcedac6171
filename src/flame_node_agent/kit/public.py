"""What others may, and must, know of a trust's keys."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization

from flame_node_agent.config.private_key import parse_private_key
from flame_node_agent.crypto.envelope import decode_key, fingerprint
from flame_node_agent.crypto.keys import public_key_hex
from flame_node_agent.errors import KitError
from flame_node_agent.kit.env_text import EnvText
from flame_node_agent.kit.making import key_hash
from flame_node_agent.kit.new_trust import given


@dataclass(frozen=True)
class PublicFacts:
    """For the administrators of the hubs; nothing in it is secret."""

    trust_name: str | None
    api_key_sha256: str | None
    aes_key_fingerprint: str | None
    """As FLIP's hub tells it in its answer to a heartbeat."""
    ecdh_public_key_hex: str | None
    """In the FLAME hub's form: the hex of the PEM."""
    ecdh_public_key_fingerprint: str | None
    """SHA-256 of the key in DER, in hex."""

    @property
    def trust_api_key_hashes(self) -> str | None:
        """The entry for the hub's TRUST_API_KEY_HASHES, as a JSON object by the trust's name."""
        if self.api_key_sha256 is None or self.trust_name is None:
            return None
        return json.dumps({self.trust_name: self.api_key_sha256}, ensure_ascii=False)


def public_facts(kit: EnvText) -> PublicFacts:
    """Work out the public side of a kit; None for what it does not have.

    Raises:
        KitError: a key in it cannot be read.
    """
    api_key, aes_key = given(kit, "TRUST_API_KEY"), given(kit, "AES_KEY_BASE64")
    key_hex, key_fingerprint = _ecdh(given(kit, "CRYPTO__ECDH_PRIVATE_KEY"))
    try:
        aes_fingerprint = fingerprint(decode_key(aes_key)) if aes_key else None
    except ValueError as error:
        raise KitError(f"AES_KEY_BASE64: {error}") from None
    return PublicFacts(
        given(kit, "TRUST_NAME"),
        key_hash(api_key) if api_key else None,
        aes_fingerprint,
        key_hex,
        key_fingerprint,
    )


def _ecdh(text: str | None) -> tuple[str | None, str | None]:
    if text is None:
        return None, None
    try:
        private = parse_private_key(text)
    except ValueError as error:
        raise KitError(f"CRYPTO__ECDH_PRIVATE_KEY {error}") from None
    der = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public_key_hex(private), hashlib.sha256(der).hexdigest()
