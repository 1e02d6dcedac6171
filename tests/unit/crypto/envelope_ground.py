"""Keys, keyrings, and envelopes to be looked into and spoiled."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from flame_node_agent.crypto.envelope import Keyring

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
KNOWN_ANSWER = (
    "eyJ2IjogMSwgImtpZCI6ICJzaGFyZWQiLCAiaXYiOiAiQUFFQ0F3UUZCZ2NJQ1FvTCIsICJjdCI6ICJMR3k1Ykt2SW8zWCtOdkw1MFo3MFNwSTgz"
    "d1NLbGlyaUxJa25PQT09In0="
)
NO_ENVELOPE = r"^Payload is not a FLIP encryption envelope$"


@dataclass(frozen=True)
class Keys:
    """Settings as an operator gives them."""

    aes_key_base64: SecretStr
    trust_aes_kid: str | None = None
    trust_aes_key_base64: SecretStr | None = None
    aes_accept_legacy_cbc: bool = False


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def ring(key: bytes = KEY, **own: bytes) -> Keyring:
    return Keyring(b64(key), {kid: b64(value) for kid, value in own.items()})


def opened(wire: str) -> dict[str, Any]:
    return json.loads(base64.b64decode(wire, validate=True))


def wire_of(content: object) -> str:
    return b64(json.dumps(content).encode())


def changed(wire: str, **fields: object) -> str:
    return wire_of(opened(wire) | fields)


def flipped(text: str) -> str:
    data = bytearray(base64.b64decode(text))
    data[0] ^= 1
    return b64(bytes(data))
