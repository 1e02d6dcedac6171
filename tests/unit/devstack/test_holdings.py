"""The demonstration opens sealed files by itself; it must not be fooled."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from flame_node_agent.devstack.demo.analysis import Unexpected
from flame_node_agent.devstack.demo.holdings import Held, open_sealed
from flame_node_agent.devstack.nodes import OTHER_CURVE, OWN_CURVE, NodeKeys

ALICE, BOB, EVE = (NodeKeys.generate(name) for name in ("alice", "bob", "eve"))


def sealed(plain: bytes, sender: NodeKeys, recipient: NodeKeys) -> bytes:
    """FLAME's whole-file envelope, by the one-shot interface of `cryptography`."""
    key = sender.private_key.exchange(ec.ECDH(), recipient.private_key.public_key())[:32]
    return bytes(range(12)) + AESGCM(key).encrypt(bytes(range(12)), plain, None)


def pieces(blob: bytes, size: int) -> Iterator[bytes]:
    return (blob[start : start + size] for start in range(0, len(blob), size))


@given(plain=st.binary(max_size=200), size=st.integers(1, 50))
def test_a_sealed_file_opens_however_it_is_cut(plain: bytes, size: int) -> None:
    held = open_sealed(pieces(sealed(plain, ALICE, BOB), size), BOB, ALICE.public_key_pem)
    assert held == Held(len(plain), hashlib.sha256(plain).hexdigest())


def test_a_file_for_somebody_else_does_not_open() -> None:
    with pytest.raises(Unexpected, match="does not open with the key of eve"):
        open_sealed(pieces(sealed(b"x" * 100, ALICE, BOB), 33), EVE, ALICE.public_key_pem)


@given(position=st.integers(12, 127))
def test_a_changed_byte_does_not_open(position: int) -> None:
    blob = bytearray(sealed(b"x" * 100, ALICE, BOB))
    blob[position] ^= 1
    with pytest.raises(Unexpected):
        open_sealed(pieces(bytes(blob), 33), BOB, ALICE.public_key_pem)


def test_keys_are_on_the_curve_they_name() -> None:
    for curve in (OWN_CURVE, OTHER_CURVE):
        assert NodeKeys.generate("node", curve).private_key.curve.name == curve
