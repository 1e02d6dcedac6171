"""What no envelope may do to its reader, whatever somebody puts into it."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from flame_node_agent.crypto.envelope import fingerprint
from flame_node_agent.errors import EnvelopeRejected, InvalidEnvelope
from tests.unit.crypto.envelope_ground import KEY, KNOWN_ANSWER, NO_ENVELOPE, OTHER, b64, changed, ring


def test_ciphertext_shorter_than_a_tag_does_not_authenticate() -> None:
    with pytest.raises(EnvelopeRejected):
        ring().decrypt(changed(KNOWN_ANSWER, ct=b64(b"short")), "kat")


def test_deep_json_is_no_envelope() -> None:
    with pytest.raises(InvalidEnvelope, match=NO_ENVELOPE):
        ring().decrypt(b64(b"[" * 100_000))


def test_sealed_bytes_that_are_no_text_are_refused() -> None:
    nonce = bytes(12)
    sealed = AESGCM(KEY).encrypt(nonce, b"\xff", b"FLIP|v1|shared|")
    with pytest.raises(InvalidEnvelope, match="not UTF-8"):
        ring().decrypt(changed(KNOWN_ANSWER, iv=b64(nonce), ct=b64(sealed)))


@given(st.text())
def test_nothing_else_than_an_envelope_error_comes_of_any_text(wire: str) -> None:
    with pytest.raises(InvalidEnvelope):
        ring().decrypt(wire)


@given(st.binary())
def test_nothing_else_than_an_envelope_error_comes_of_any_bytes(data: bytes) -> None:
    with pytest.raises(InvalidEnvelope):
        ring().decrypt(b64(data))


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.text(alphabet="task:project_id"))
def test_any_text_comes_back_from_its_envelope(text: str, context: str) -> None:
    keyring = ring(KEY, own=OTHER)
    for kid in ("shared", "own"):
        assert keyring.decrypt(keyring.encrypt(text, context, kid), context) == text


def test_fingerprint_is_the_beginning_of_the_keys_digest() -> None:
    assert fingerprint(KEY) == "630dcd2966c4"
    assert ring().shared_fingerprint == "630dcd2966c4"
    assert ring(KEY, own=OTHER).fingerprints == {"630dcd2966c4", fingerprint(OTHER)}
