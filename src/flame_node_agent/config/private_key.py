"""The node's own private key, with which files are sealed for, and opened from, other nodes.

FLAME nodes use EC keys on P-256 (made by the hub's user interface) or P-384 (older nodes). The hub's user
interface writes the base64 of a PEM on one line, Helm charts escape line breaks as ``\\n``, and YAML folds
them to spaces: all of these hold the same key and are accepted.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurvePrivateKey,
)
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import AfterValidator, Field, SecretStr

from flame_node_agent.config.values import Accepts, Group

_BLOCK = re.compile(r"-----BEGIN ((?:[A-Z]+ )?PRIVATE KEY)-----(.+?)-----END \1-----", re.DOTALL)
_ACCEPTED = "an unencrypted EC private key on P-256 or P-384 in PEM (PKCS#8 or SEC1)"


def parse_private_key(text: str) -> EllipticCurvePrivateKey:
    """Read an unencrypted PKCS#8 or SEC1 key on P-256 or P-384.

    Raises:
        ValueError: with a reason that holds nothing of the key.
    """
    block = _BLOCK.search(text.replace("\\r", "").replace("\\n", "\n"))
    if block is None:
        raise ValueError("holds no PEM private key")
    kind, body = block.groups()
    if kind.startswith("ENCRYPTED") or "ENCRYPTED" in body:
        raise ValueError("holds an encrypted private key")
    armoured = f"-----BEGIN {kind}-----\n{''.join(body.split())}\n-----END {kind}-----\n"
    try:
        key = load_pem_private_key(armoured.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's words are not repeated: they may quote what they could not read.
        raise ValueError("holds a private key that cannot be read") from None
    match key:
        case EllipticCurvePrivateKey(curve=SECP256R1() | SECP384R1()):
            return key
        case EllipticCurvePrivateKey():
            raise ValueError("holds an EC private key on another curve")
        case _:
            raise ValueError("holds a private key that is not an EC key")


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ValueError(f"names a file that cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError("names a file that holds no PEM private key") from None


def _usable_text(value: SecretStr) -> SecretStr:
    parse_private_key(value.get_secret_value())
    return value


def _usable_file(path: Path) -> Path:
    text = _read(path)
    try:
        parse_private_key(text)
    except ValueError as error:
        raise ValueError(f"names a file that {error}") from None
    return path


KeyText = Annotated[
    SecretStr,
    AfterValidator(_usable_text),
    Accepts(f"{_ACCEPTED}; line breaks may be written as \\n"),
]
KeyFile = Annotated[
    Path, AfterValidator(_usable_file), Accepts(f"the path of a readable file with {_ACCEPTED}")
]


class RawKey(Group):
    """The key is in the variable itself."""

    provider: Literal["raw"]
    ecdh_private_key: KeyText = Field(description="The private key itself, as PEM text.")

    def private_key(self) -> EllipticCurvePrivateKey:
        """Return the node's private key, for ECDH."""
        return parse_private_key(self.ecdh_private_key.get_secret_value())


class FileKey(Group):
    """The key is in a file."""

    provider: Literal["file"]
    ecdh_private_key_path: KeyFile = Field(description="Path of the file that holds the private key.")

    def private_key(self) -> EllipticCurvePrivateKey:
        """Return the node's private key, for ECDH; the file is read anew.

        Raises:
            ValueError: when the file has become unreadable or holds another kind of key since the start.
        """
        return parse_private_key(_read(self.ecdh_private_key_path))


PrivateKey = RawKey | FileKey
