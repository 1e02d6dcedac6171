"""A trust with a key of its own beside the shared one (FLIP's keyring variant)."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from flame_node_agent.crypto.envelope import Keyring
from flame_node_agent.errors import EnvelopeRejected
from tests.unit.crypto.envelope_ground import KEY, KNOWN_ANSWER, OTHER, Keys, b64, changed, opened, ring

OWN = Keys(SecretStr(b64(KEY)), "trust-7", SecretStr(b64(OTHER)))


def test_own_key_seals_where_the_trust_has_one() -> None:
    content = opened(Keyring.of(OWN).encrypt("text", "project_id"))
    assert content["kid"] == "trust-7"
    nonce, ciphertext = base64.b64decode(content["iv"]), base64.b64decode(content["ct"])
    assert AESGCM(OTHER).decrypt(nonce, ciphertext, b"FLIP|v1|trust-7") == b"text"


def test_trust_with_an_own_key_still_opens_what_the_shared_one_sealed() -> None:
    assert Keyring.of(OWN).decrypt(KNOWN_ANSWER, "kat") == "known-answer"
    assert Keyring.of(OWN).decrypt(Keyring.of(OWN).encrypt("text", "c", kid="shared"), "c") == "text"


def sealed_with_own_key(associated: bytes) -> str:
    nonce = bytes(12)
    return changed(
        KNOWN_ANSWER, kid="trust-7", iv=b64(nonce), ct=b64(AESGCM(OTHER).encrypt(nonce, b"text", associated))
    )


def test_own_key_opens_what_is_bound_to_the_kid_alone() -> None:
    assert Keyring.of(OWN).decrypt(sealed_with_own_key(b"FLIP|v1|trust-7"), "task:cohort_query") == "text"


def test_own_key_opens_what_is_bound_to_its_context_for_that_context_only() -> None:
    wire = sealed_with_own_key(b"FLIP|v1|trust-7|task:cohort_query")
    assert Keyring.of(OWN).decrypt(wire, "task:cohort_query") == "text"
    with pytest.raises(EnvelopeRejected):
        Keyring.of(OWN).decrypt(wire, "task:delete_imaging")


def test_shared_key_never_opens_without_a_context() -> None:
    nonce = bytes(12)
    sealed = AESGCM(KEY).encrypt(nonce, b"text", b"FLIP|v1|shared")
    with pytest.raises(EnvelopeRejected):
        ring().decrypt(changed(KNOWN_ANSWER, iv=b64(nonce), ct=b64(sealed)))


def test_own_key_cannot_take_the_shared_ones_name() -> None:
    with pytest.raises(ValueError, match="shared key's"):
        Keyring(b64(KEY), {"shared": b64(OTHER)})


def test_keyring_does_not_show_its_keys() -> None:
    shown = repr(Keyring.of(OWN)) + str(Keyring.of(OWN))
    assert b64(KEY) not in shown
    assert b64(OTHER) not in shown
