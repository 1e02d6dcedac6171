"""Envelopes: how the hub and the services of a trust hand secrets to one another.

Wire form (FLIP trust-api, data-access-api and hub): standard base64 of a JSON object
``{"v": 1, "kid": "shared", "iv": <base64, 12 bytes>, "ct": <base64, ciphertext || 16-byte tag>}``, AES-256-GCM with
``FLIP|v1|<kid>|<context>`` as associated data. The context says what the secret is for (``task:<task_type>``,
``project_id``), so that one for another purpose does not open.

A trust may have a key of its own beside the shared one. FLIP's variant for that binds the kid alone, as
``FLIP|v1|<kid>``. So it is sealed here; opened is also what binds the context.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from flame_node_agent.crypto.legacy_cbc import open_legacy
from flame_node_agent.errors import EnvelopeRejected, InvalidEnvelope, UnknownKey

VERSION = 1
SHARED_KID = "shared"
KEY_BYTES = 32
NONCE_BYTES = 12
PROJECT_ID_CONTEXT = "project_id"
_MAX_NAMED_KID = 64

log = structlog.get_logger(__name__)


def task_context(task_type: str) -> str:
    """What the payload of a task is bound to (FLIP hub, GET /tasks/pending)."""
    return f"task:{task_type}"


def fingerprint(key: bytes) -> str:
    """How the hub names a key in its answers without telling it: 12 hex digits of its SHA-256."""
    return hashlib.sha256(key).hexdigest()[:12]


def decode_key(text: str) -> bytes:
    """Read a key of 32 bytes in base64; ValueError, which never repeats the key, for anything else."""
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError("AES key is not valid base64") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"AES key must be 32 bytes (AES-256-GCM), got {len(key)}")
    return key


class KeySettings(Protocol):
    """The settings that a keyring is made of."""

    @property
    def aes_key_base64(self) -> SecretStr: ...
    @property
    def trust_aes_kid(self) -> str | None: ...
    @property
    def trust_aes_key_base64(self) -> SecretStr | None: ...
    @property
    def aes_accept_legacy_cbc(self) -> bool: ...


class Keyring:
    """All keys with which this process seals and opens envelopes."""

    def __init__(
        self,
        shared_key: str,
        own_keys: Mapping[str, str] | None = None,
        *,
        seal_with: str = SHARED_KID,
        accept_legacy_cbc: bool = False,
    ) -> None:
        """Keys are base64 text; ``own_keys`` has one per kid, ``seal_with`` is the kid that seals by default.

        Raises:
            ValueError: a key is not 32 bytes, an own key is called like the shared one, or no key seals.
        """
        own = {kid: decode_key(text) for kid, text in (own_keys or {}).items()}
        if SHARED_KID in own:
            raise ValueError(f"the kid '{SHARED_KID}' is the shared key's")
        self._keys = {SHARED_KID: decode_key(shared_key)} | own
        if seal_with not in self._keys:
            raise ValueError(f"there is no key for the kid '{seal_with}'")
        self._ciphers = {kid: AESGCM(key) for kid, key in self._keys.items()}
        self._seal_with = seal_with
        self._accept_legacy_cbc = accept_legacy_cbc
        self.shared_key_text = shared_key

    @classmethod
    def of(cls, settings: KeySettings) -> Self:
        """Make the keyring of a trust; its own key seals when it has one (FLIP's keyring variant)."""
        kid, own = settings.trust_aes_kid, settings.trust_aes_key_base64
        return cls(
            settings.aes_key_base64.get_secret_value(),
            {kid: own.get_secret_value()} if kid and own else None,
            seal_with=kid if kid and own else SHARED_KID,
            accept_legacy_cbc=settings.aes_accept_legacy_cbc,
        )

    @property
    def shared_fingerprint(self) -> str:
        """The shared key, as the hub names it in its answer to a heartbeat."""
        return fingerprint(self._keys[SHARED_KID])

    @property
    def fingerprints(self) -> frozenset[str]:
        """All keys that this keyring opens with, as the hub names them."""
        return frozenset(map(fingerprint, self._keys.values()))

    def encrypt(self, plaintext: str, context: str = "", kid: str | None = None) -> str:
        """Seal text for ``context``; the wire form.

        Raises:
            UnknownKey: there is no key for ``kid``.
        """
        kid = kid or self._seal_with
        nonce = secrets.token_bytes(NONCE_BYTES)
        bound_to = next(_associated_data(kid, context))
        ciphertext = self._cipher(kid).encrypt(nonce, plaintext.encode(), bound_to)
        envelope = {
            "v": VERSION,
            "kid": kid,
            "iv": base64.b64encode(nonce).decode("ascii"),
            "ct": base64.b64encode(ciphertext).decode("ascii"),
        }
        return base64.b64encode(json.dumps(envelope).encode("ascii")).decode("ascii")

    def decrypt(self, wire: str, context: str = "") -> str:
        """Open what was sealed for ``context``.

        Raises:
            InvalidEnvelope: it is no envelope of this version.
            UnknownKey: it was sealed with a key that this keyring does not hold.
            EnvelopeRejected: wrong key or context, or changed on the way.
        """
        try:
            envelope = _Envelope.read(wire)
        except _NotAnEnvelope:
            if not self._accept_legacy_cbc:
                raise
            plaintext = open_legacy(wire, self._keys[SHARED_KID])
            log.warning("envelope.legacy_cbc_accepted", context=context)
            return plaintext
        cipher = self._cipher(envelope.kid)
        for bound_to in _associated_data(envelope.kid, context):
            try:
                return _text(cipher.decrypt(envelope.nonce, envelope.ciphertext, bound_to))
            except InvalidTag:
                continue
        raise EnvelopeRejected

    def _cipher(self, kid: str) -> AESGCM:
        try:
            return self._ciphers[kid]
        except KeyError:
            raise UnknownKey(f"No key registered for kid '{kid[:_MAX_NAMED_KID]}'") from None


class _NotAnEnvelope(InvalidEnvelope):
    """Not in the form of an envelope at all; it may be what came before envelopes."""

    def __init__(self) -> None:
        super().__init__("Payload is not a FLIP encryption envelope")


@dataclass(frozen=True)
class _Envelope:
    kid: str
    nonce: bytes
    ciphertext: bytes

    @classmethod
    def read(cls, wire: str) -> _Envelope:
        """Read strictly: nothing is skipped, converted or guessed."""
        match _json(_base64(wire)):
            case {"v": int(version), "kid": str(kid), "iv": str(iv), "ct": str(ct)} if not isinstance(
                version, bool
            ):
                pass
            case _:
                raise _NotAnEnvelope
        if version != VERSION:
            raise InvalidEnvelope(f"Unsupported payload version: {version}")
        nonce, ciphertext = _base64(iv), _base64(ct)
        if len(nonce) != NONCE_BYTES:
            raise InvalidEnvelope(f"Nonce must be 12 bytes, got {len(nonce)}")
        return cls(kid, nonce, ciphertext)


def _associated_data(kid: str, context: str) -> Iterator[bytes]:
    """What an envelope may be bound to; the first is what this keyring seals with."""
    if kid != SHARED_KID:
        yield f"FLIP|v{VERSION}|{kid}".encode()
    yield f"FLIP|v{VERSION}|{kid}|{context}".encode()


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise _NotAnEnvelope from None


def _json(data: bytes) -> Any:
    try:
        return json.loads(data.decode())
    except (ValueError, RecursionError):
        raise _NotAnEnvelope from None


def _text(plaintext: bytes) -> str:
    try:
        return plaintext.decode()
    except UnicodeDecodeError:
        raise InvalidEnvelope("Payload is not UTF-8 text") from None
