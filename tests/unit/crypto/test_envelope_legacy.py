"""The unauthenticated form that came before envelopes is read only where the trust says so, and told each time."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from structlog.testing import capture_logs

from flame_node_agent.crypto.envelope import Keyring
from flame_node_agent.errors import EnvelopeRejected, InvalidEnvelope

KEY = bytes(range(32))
KEY_TEXT = base64.b64encode(KEY).decode("ascii")
NO_ENVELOPE = r"^Payload is not a FLIP encryption envelope$"


def legacy(text: str, iv: bytes = bytes(range(100, 116))) -> str:
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(KEY), modes.CBC(iv)).encryptor()
    padded = padder.update(text.encode()) + padder.finalize()
    return base64.b64encode(iv + encryptor.update(padded) + encryptor.finalize()).decode("ascii")


def accepting() -> Keyring:
    return Keyring(KEY_TEXT, accept_legacy_cbc=True)


def test_legacy_form_is_refused_by_default() -> None:
    with pytest.raises(InvalidEnvelope, match=NO_ENVELOPE):
        Keyring(KEY_TEXT).decrypt(legacy("text"), "task:cohort_query")


def test_legacy_form_is_opened_with_a_warning_at_each_use_where_it_is_switched_on() -> None:
    keyring = accepting()
    with capture_logs() as events:
        assert keyring.decrypt(legacy("Grüße"), "task:cohort_query") == "Grüße"
        assert keyring.decrypt(legacy(""), "task:cohort_query") == ""
    assert [event["event"] for event in events] == ["envelope.legacy_cbc_accepted"] * 2
    assert {event["log_level"] for event in events} == {"warning"}


def test_legacy_form_that_begins_like_json_is_opened() -> None:
    """One in 256 does; only an object with the fields of an envelope is one."""
    assert accepting().decrypt(legacy("text", iv=b"{" * 16)) == "text"


def test_an_envelope_never_falls_back_to_the_legacy_form() -> None:
    keyring = accepting()
    with pytest.raises(EnvelopeRejected), capture_logs() as events:
        keyring.decrypt(keyring.encrypt("text", "a"), "b")
    assert not events


def test_what_is_neither_form_is_refused_in_the_same_words() -> None:
    wires = [
        "",
        "!",
        base64.b64encode(bytes(15)).decode(),
        base64.b64encode(bytes(16)).decode(),
        base64.b64encode(bytes(33)).decode(),
        base64.b64encode(bytes(48)).decode(),
        legacy("text")[:-4],
    ]
    for wire in wires:
        with pytest.raises(InvalidEnvelope, match=NO_ENVELOPE), capture_logs() as events:
            accepting().decrypt(wire)
        assert not events
