"""Keys of nodes, in the forms the hub and its users write them."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from flame_node_agent.crypto.keys import parse_peer_key, public_key_hex, public_key_pem, shared_key
from flame_node_agent.errors import PeerKeyInvalid

A, B = 12345678901234567890, 98765432109876543210
OWN = ec.derive_private_key(A, ec.SECP256R1())


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        (ec.SECP256R1(), "9e48ddb1f4ee9d9188ab7a964490496e3a8afcc3a7a3347485ada3ce637d8ee8"),
        (ec.SECP384R1(), "6f8e9fd00d457333c0c10f8524a3241aa846b06e35a5eb4ae83bbb87dfba0a4b"),
    ],
    ids=["P-256", "P-384"],
)
def test_shared_key_is_the_first_32_bytes_of_the_x_coordinate(curve: ec.EllipticCurve, expected: str) -> None:
    alice, bob = ec.derive_private_key(A, curve), ec.derive_private_key(B, curve)
    assert shared_key(alice, bob.public_key()).hex() == expected
    assert shared_key(bob, alice.public_key()).hex() == expected


def test_the_hubs_form_of_a_key_can_be_read_back() -> None:
    assert public_key_hex(OWN).startswith("2d2d2d2d2d424547494e")
    parsed = parse_peer_key(public_key_hex(OWN), OWN)
    assert parsed.public_numbers() == OWN.public_key().public_numbers()


def test_upper_case_hex_and_base64_on_one_line_are_read_too() -> None:
    """The hub's user interface does not wrap the base64 of a PEM."""
    lines = public_key_pem(OWN).splitlines()
    one_line = "\n".join([lines[0], "".join(lines[1:-1]), lines[-1]])
    parsed = parse_peer_key(one_line.encode().hex().upper(), OWN)
    assert parsed.public_numbers() == OWN.public_key().public_numbers()


def pem_of(key: ed25519.Ed25519PublicKey | rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    return (
        key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
        .encode()
        .hex()
    )


@pytest.mark.parametrize(
    "hub_form",
    [
        "",
        "zz",
        "2d2",
        "00" * 90,
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----".hex(),
        pem_of(ec.derive_private_key(A, ec.SECP384R1()).public_key()),
        pem_of(ec.derive_private_key(A, ec.SECP256K1()).public_key()),
        pem_of(ed25519.Ed25519PrivateKey.generate().public_key()),
        pem_of(rsa.generate_private_key(65537, 2048).public_key()),
    ],
    ids=["empty", "no-hex", "odd", "no-pem", "no-key", "P-384", "secp256k1", "Ed25519", "RSA"],
)
def test_a_key_that_is_none_on_our_curve_is_refused(hub_form: str) -> None:
    with pytest.raises(PeerKeyInvalid):
        parse_peer_key(hub_form, OWN)


def test_a_point_that_is_not_on_the_curve_is_refused() -> None:
    """The invalid-curve attack on ECDH (Biehl, Meyer, Mueller 2000)."""
    der = OWN.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    off_curve = der[:-1] + bytes([der[-1] ^ 1])
    pem = b"-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(off_curve) + b"\n-----END PUBLIC KEY-----\n"
    with pytest.raises(PeerKeyInvalid):
        parse_peer_key(pem.hex(), OWN)
