"""Payloads as hubs sealed them before envelopes: AES-256-CBC, bound to nothing (FLIP, seed era).

Wire form: base64 of ``iv (16) || ciphertext``, padded as in PKCS #7. For trying nodes that have to read it.
"""

from __future__ import annotations

import base64
import secrets

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from flame_node_agent.crypto.envelope import decode_key

_BLOCK_BYTES = 16


def seal_without_authentication(plaintext: str, key_text: str) -> str:
    """Encrypt with a key in base64; the wire form."""
    iv = secrets.token_bytes(_BLOCK_BYTES)
    padder = PKCS7(_BLOCK_BYTES * 8).padder()
    padded = padder.update(plaintext.encode()) + padder.finalize()
    encryptor = Cipher(algorithms.AES(decode_key(key_text)), modes.CBC(iv)).encryptor()
    return base64.b64encode(iv + encryptor.update(padded) + encryptor.finalize()).decode("ascii")
