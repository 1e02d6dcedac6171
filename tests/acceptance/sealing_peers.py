"""Sealing as another node does it: written anew here, with nothing of the agent's own code.

FLAME: ECDH, the first 32 bytes of the shared secret as the key of AES-256-GCM, and ``iv || ciphertext || tag``.
"""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from flame_node_agent.devstack.nodes import NodeKeys

IV_BYTES = 12
OVERHEAD_BYTES = IV_BYTES + 16
CHUNK_BYTES = 1 << 20
"""Sealed size of the pieces in which the FLAME Node Storage Service seals, the last one excepted."""


def opened_by(receiver: NodeKeys, sender: NodeKeys, sealed: bytes) -> bytes:
    """What ``sender`` has sealed as one piece for ``receiver``."""
    return _cipher(receiver, sender).decrypt(sealed[:IV_BYTES], sealed[IV_BYTES:], None)


def sealed_by(sender: NodeKeys, receiver: NodeKeys, content: bytes) -> bytes:
    """As the FLAME Node Result Service seals: all in one piece."""
    iv = os.urandom(IV_BYTES)
    return iv + _cipher(sender, receiver).encrypt(iv, content, None)


def sealed_in_chunks_by(sender: NodeKeys, receiver: NodeKeys, content: bytes) -> bytes:
    """As the FLAME Node Storage Service seals: each piece by itself."""
    step = CHUNK_BYTES - OVERHEAD_BYTES
    pieces = (content[start : start + step] for start in range(0, len(content), step))
    return b"".join(sealed_by(sender, receiver, piece) for piece in pieces)


def _cipher(own: NodeKeys, other: NodeKeys) -> AESGCM:
    shared = own.private_key.exchange(ec.ECDH(), other.private_key.public_key())
    return AESGCM(shared[:32])
