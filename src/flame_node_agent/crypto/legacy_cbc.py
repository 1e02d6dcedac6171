"""What came before envelopes: AES-256-CBC without authentication, read only where the trust has switched it on.

Wire form (FLIP, before its security finding PT-004): base64 of ``iv (16) || ciphertext``, padded as in PKCS #7. Whoever
can change the bytes can change the plaintext, and nothing says what it is for.
"""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from flame_node_agent.errors import InvalidEnvelope

BLOCK_BYTES = 16


def open_legacy(wire: str, key: bytes) -> str:
    """Decrypt; InvalidEnvelope, always with the same words, so that nobody can learn about the padding."""
    try:
        data = base64.b64decode(wire, validate=True)
        decryptor = Cipher(algorithms.AES(key), modes.CBC(data[:BLOCK_BYTES])).decryptor()
        padded = decryptor.update(data[BLOCK_BYTES:]) + decryptor.finalize()
        unpadder = PKCS7(BLOCK_BYTES * 8).unpadder()
        return (unpadder.update(padded) + unpadder.finalize()).decode()
    except ValueError:
        raise InvalidEnvelope("Payload is not a FLIP encryption envelope") from None
