"""Merging a trust into the hub's secret takes nothing from other trusts."""

from __future__ import annotations

import hashlib
import json

import pytest
from provision.hub_secret import merged
from provision.said import Stop

KEY = "the key"
OWN = hashlib.sha256(KEY.encode()).hexdigest()
OTHERS = {"Trust_1": "0" * 64}


def test_an_empty_secret_gets_the_trust() -> None:
    fresh, said = merged({}, "Trust_2", KEY, "aes")
    assert fresh == {"aes_key_base64": "aes", "trust_api_key_hashes": json.dumps({"Trust_2": OWN})}
    assert said == ["aes_key_base64 is new", "Trust_2 in trust_api_key_hashes is new"]


@pytest.mark.parametrize("as_text", [True, False])
def test_other_trusts_and_other_values_stay(as_text: bool) -> None:
    hashes = json.dumps(OTHERS) if as_text else OTHERS
    value = {
        "AES_KEY_BASE64": "aes",
        "TRUST_API_KEY_HASHES": hashes,
        "TRUST_NAMES": '["Trust_1"]',
        "password": "p",
    }
    fresh, _ = merged(value, "Trust_2", KEY, "aes")
    found = fresh.pop("TRUST_API_KEY_HASHES")
    assert isinstance(found, str) is as_text
    assert (json.loads(found) if as_text else found) == {**OTHERS, "Trust_2": OWN}
    assert fresh == {"AES_KEY_BASE64": "aes", "TRUST_NAMES": '["Trust_1", "Trust_2"]', "password": "p"}


def test_what_is_there_already_is_no_change() -> None:
    fresh, _ = merged({}, "Trust_2", KEY, "aes")
    assert merged(fresh, "Trust_2", KEY, "aes") == (fresh, [])


def test_a_new_key_of_the_same_trust_replaces_its_own() -> None:
    fresh, _ = merged({}, "Trust_2", "before", "aes")
    again, said = merged(fresh, "Trust_2", KEY, "aes")
    assert json.loads(again["trust_api_key_hashes"]) == {"Trust_2": OWN}
    assert said == ["Trust_2 in trust_api_key_hashes is replaced"]


def test_another_aes_key_of_the_hub_is_never_overwritten() -> None:
    with pytest.raises(Stop, match="other trusts depend on it") as stopped:
        merged({"aes_key_base64": "sentinel-hub"}, "Trust_2", KEY, "sentinel-kit")
    assert "sentinel" not in str(stopped.value)


@pytest.mark.parametrize("value", ["no json", "[]", ["Trust_1"], 7])
def test_a_secret_of_another_form_is_left_alone(value: object) -> None:
    with pytest.raises(Stop, match="nothing was changed"):
        merged({"trust_api_key_hashes": value}, "Trust_2", KEY, "aes")
