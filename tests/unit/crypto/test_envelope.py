"""Envelopes: what the tests of FLIP's trust-api check, one test each in the same order, and the trust's own key."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from flame_node_agent.crypto import envelope
from flame_node_agent.crypto.envelope import Keyring, decode_key, fingerprint, task_context
from flame_node_agent.errors import EnvelopeRejected, InvalidEnvelope, UnknownKey

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


# The lines of FLIP's test_encryption.py


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


# Beyond them


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


# The trust's own key (FLIP's keyring variant)

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
