"""Envelopes: what the tests of FLIP's trust-api (``test_encryption.py``) check, one test a line, in their order."""

from __future__ import annotations

import base64
import secrets

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from flame_node_agent.crypto import envelope
from flame_node_agent.crypto.envelope import Keyring, decode_key, task_context
from flame_node_agent.errors import EnvelopeRejected, InvalidEnvelope, UnknownKey
from tests.unit.crypto.envelope_ground import (
    KEY,
    KNOWN_ANSWER,
    NO_ENVELOPE,
    OTHER,
    Keys,
    b64,
    changed,
    flipped,
    opened,
    ring,
    wire_of,
)


def test_key_is_decoded_from_the_settings() -> None:
    keyring = Keyring.of(Keys(SecretStr(b64(KEY))))
    assert keyring.decrypt(KNOWN_ANSWER, "kat") == "known-answer"
    assert keyring.shared_key_text == b64(KEY)


def test_keys_are_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = ring()
    monkeypatch.setattr(envelope, "decode_key", lambda text: pytest.fail("a key was decoded again"))
    monkeypatch.setattr(envelope, "AESGCM", lambda key: pytest.fail("a cipher was made again"))
    assert keyring.decrypt(keyring.encrypt("text")) == "text"


@pytest.mark.parametrize("length", [0, 16, 24, 31, 33])
def test_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=rf"^AES key must be 32 bytes \(AES-256-GCM\), got {length}$"):
        decode_key(b64(bytes(length)))


@pytest.mark.parametrize("length", [16, 24])
def test_keyring_holds_no_key_of_another_length(length: int) -> None:
    """So nothing can be sealed or opened with one, be it shared or the trust's own."""
    with pytest.raises(ValueError, match="must be 32 bytes"):
        ring(bytes(length))
    with pytest.raises(ValueError, match="must be 32 bytes"):
        ring(KEY, own=bytes(length))


def test_key_that_is_no_base64_is_refused_without_being_repeated() -> None:
    with pytest.raises(ValueError, match=r"^AES key is not valid base64$") as refusal:
        Keyring("c2VjcmV0!")
    assert refusal.value.__cause__ is None


def test_envelope_has_version_shared_kid_and_a_nonce_of_12_bytes() -> None:
    content = opened(ring().encrypt("text"))
    assert list(content) == ["v", "kid", "iv", "ct"]
    assert (content["v"], content["kid"]) == (1, "shared")
    assert len(base64.b64decode(content["iv"], validate=True)) == 12
    assert len(base64.b64decode(content["ct"], validate=True)) == len("text") + 16


def test_nonce_is_fresh_each_time() -> None:
    keyring = ring()
    assert len({opened(keyring.encrypt("text"))["iv"] for _ in range(100)}) == 100


@pytest.mark.parametrize("text", ["", "Grüße 🩻 \x00", "x" * 10_000], ids=["empty", "unicode", "long"])
def test_what_is_sealed_can_be_opened(text: str) -> None:
    assert ring().decrypt(ring().encrypt(text, "context"), "context") == text


def test_configured_key_is_used_by_default() -> None:
    """AES-GCM as anybody has it opens what the keyring has sealed."""
    content = opened(ring().encrypt("text", "context"))
    nonce, ciphertext = base64.b64decode(content["iv"]), base64.b64decode(content["ct"])
    assert AESGCM(KEY).decrypt(nonce, ciphertext, b"FLIP|v1|shared|context") == b"text"


def test_changed_ciphertext_does_not_authenticate() -> None:
    wire = ring().encrypt("text")
    with pytest.raises(EnvelopeRejected):
        ring().decrypt(changed(wire, ct=flipped(opened(wire)["ct"])))


def test_changed_nonce_does_not_authenticate() -> None:
    wire = ring().encrypt("text")
    with pytest.raises(EnvelopeRejected):
        ring().decrypt(changed(wire, iv=flipped(opened(wire)["iv"])))


def test_kid_is_bound() -> None:
    keyring = ring(KEY, own=KEY)
    wire = keyring.encrypt("text", kid="own")
    with pytest.raises(EnvelopeRejected):
        keyring.decrypt(changed(wire, kid="shared"))
    with pytest.raises(EnvelopeRejected):
        keyring.decrypt(changed(keyring.encrypt("text"), kid="own"))


def test_wrong_key_does_not_authenticate() -> None:
    with pytest.raises(EnvelopeRejected):
        ring(OTHER).decrypt(KNOWN_ANSWER, "kat")


def test_unknown_kid_is_named() -> None:
    with pytest.raises(UnknownKey, match=r"^No key registered for kid 'elsewhere'$"):
        ring().decrypt(changed(KNOWN_ANSWER, kid="elsewhere"), "kat")
    with pytest.raises(UnknownKey, match=r"^No key registered for kid 'elsewhere'$"):
        ring().encrypt("text", kid="elsewhere")


@pytest.mark.parametrize("version", [2, 0, -1])
def test_another_version_is_refused(version: int) -> None:
    with pytest.raises(InvalidEnvelope, match=rf"^Unsupported payload version: {version}$"):
        ring().decrypt(changed(KNOWN_ANSWER, v=version), "kat")


def test_json_that_is_no_envelope_is_refused() -> None:
    for content in ({}, {"a": 1}, {"v": 1, "kid": "shared", "iv": "AAAA"}):
        with pytest.raises(InvalidEnvelope, match=NO_ENVELOPE):
            ring().decrypt(wire_of(content))


def test_known_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vector that FLIP's hub, imaging-api, data-access-api and trust-api share."""
    assert ring().decrypt(KNOWN_ANSWER, "kat") == "known-answer"
    monkeypatch.setattr(secrets, "token_bytes", lambda length: bytes(range(length)))
    assert ring().encrypt("known-answer", "kat") == KNOWN_ANSWER


def test_contexts_are_pinned() -> None:
    assert task_context("cohort_query") == "task:cohort_query"
    assert envelope.PROJECT_ID_CONTEXT == "project_id"


def test_context_is_bound() -> None:
    wire = ring().encrypt("text", "task:create_imaging")
    with pytest.raises(EnvelopeRejected):
        ring().decrypt(wire, "task:delete_imaging")
    with pytest.raises(EnvelopeRejected):
        ring().decrypt(wire)


def test_default_context_is_empty() -> None:
    assert ring().decrypt(ring().encrypt("text"), "") == "text"
    assert ring().decrypt(ring().encrypt("text", "")) == "text"


@pytest.mark.parametrize("content", [[], [KNOWN_ANSWER], "text", 1, None, True])
def test_json_that_is_no_object_is_refused(content: object) -> None:
    with pytest.raises(InvalidEnvelope, match=NO_ENVELOPE):
        ring().decrypt(wire_of(content))


@pytest.mark.parametrize(
    "wrong",
    [
        {"v": True},
        {"v": "1"},
        {"v": 1.0},
        {"v": None},
        {"kid": 1},
        {"kid": None},
        {"iv": 12},
        {"iv": ["AAECAwQFBgcICQoL"]},
        {"ct": None},
        {"ct": {}},
    ],
    ids=str,
)
def test_field_of_another_type_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidEnvelope, match=NO_ENVELOPE):
        ring().decrypt(changed(KNOWN_ANSWER, **wrong), "kat")


@pytest.mark.parametrize(
    "wire", ["", "!", "e30", KNOWN_ANSWER + "\n", " " + KNOWN_ANSWER, KNOWN_ANSWER[:-1], "ä", "e30=e30="]
)
def test_outer_base64_is_read_strictly(wire: str) -> None:
    with pytest.raises(InvalidEnvelope, match=NO_ENVELOPE):
        ring().decrypt(wire, "kat")


@pytest.mark.parametrize("field", ["iv", "ct"])
@pytest.mark.parametrize("spoil", [" {}", "{}\n", "{}!", "{}=", "-{}", "ä{}"])
def test_inner_base64_is_read_strictly(field: str, spoil: str) -> None:
    with pytest.raises(InvalidEnvelope, match=NO_ENVELOPE):
        ring().decrypt(changed(KNOWN_ANSWER, **{field: spoil.format(opened(KNOWN_ANSWER)[field])}), "kat")


@pytest.mark.parametrize("length", [0, 8, 16])
def test_nonce_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(InvalidEnvelope, match=rf"^Nonce must be 12 bytes, got {length}$"):
        ring().decrypt(changed(KNOWN_ANSWER, iv=b64(bytes(length))), "kat")
