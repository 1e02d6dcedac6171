"""EC keys of nodes and the secret that two of them share.

Wire form (FLAME Node Result Service): a node's public key is held by the hub as the lower-case hex of the UTF-8 bytes
of its PEM SubjectPublicKeyInfo. The AES-256-GCM key of a pair of nodes is the first 32 bytes of the x-coordinate that
ECDH gives, without a key derivation function. Both keys must be on the same curve, P-256 or P-384.
"""

from __future__ import annotations

import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from flame_node_agent.errors import PeerKeyInvalid

SHARED_KEY_BYTES = 32
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")


def public_key_pem(private: ec.EllipticCurvePrivateKey) -> str:
    """The public half as PEM text, as the hub's forms take it."""
    return (
        private.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode("ascii")
    )


def public_key_hex(private: ec.EllipticCurvePrivateKey) -> str:
    """The public half in the hub's own form: hex of the PEM text."""
    return public_key_pem(private).encode("ascii").hex()


def parse_peer_key(hub_form: str, own: ec.EllipticCurvePrivateKey) -> ec.EllipticCurvePublicKey:
    """Read another node's public key as the hub gives it.

    Raises:
        PeerKeyInvalid: not hex of a PEM text, no EC key, or not on the curve of ``own``.
    """
    if not _HEX.fullmatch(hub_form):
        raise PeerKeyInvalid("it is not the hex form of a PEM text")
    try:
        key = serialization.load_pem_public_key(bytes.fromhex(hub_form))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PeerKeyInvalid("it is not a readable public key") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise PeerKeyInvalid("it is not an elliptic-curve key")
    if key.curve.name != own.curve.name:
        raise PeerKeyInvalid(f"it is on curve {key.curve.name}, this node's key is on {own.curve.name}")
    return key


def shared_key(own: ec.EllipticCurvePrivateKey, peer: ec.EllipticCurvePublicKey) -> bytes:
    """The 32-byte AES key of this pair of nodes, the same in both directions."""
    return own.exchange(ec.ECDH(), peer)[:SHARED_KEY_BYTES]
