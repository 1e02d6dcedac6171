"""Keys are made where there are none, and never over what is there."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from flame_node_agent.config.private_key import parse_private_key
from flame_node_agent.crypto.keys import parse_peer_key
from flame_node_agent.errors import KitError
from flame_node_agent.kit.env_text import EnvText
from flame_node_agent.kit.new_trust import complete, given
from flame_node_agent.kit.public import public_facts
from flame_node_agent.kit.rotation import ROTATIONS, Secret, rotate
from flame_node_agent.kit.template import render_template

SECRETS = (
    "TRUST_API_KEY",
    "AES_KEY_BASE64",
    "TRUST_INTERNAL_SERVICE_KEY",
    "CRYPTO__ECDH_PRIVATE_KEY",
    "POSTGRES__PASSWORD",
    "MINIO__SECRET_KEY",
    "DATA_ACCESS_POSTGRES_PASSWORD",
    "OMOP_POSTGRES_PASSWORD",
)


@pytest.fixture
def made() -> EnvText:
    text = EnvText(render_template())
    complete(text, {"TRUST_NAME": "Trust_2"}, results=True)
    return text


def test_everything_that_a_trust_needs_is_made(made: EnvText) -> None:
    values = made.values
    assert len(base64.urlsafe_b64decode(values["TRUST_API_KEY"] + "=")) == 32
    assert len(base64.urlsafe_b64decode(values["TRUST_INTERNAL_SERVICE_KEY"] + "=")) == 32
    assert len(base64.b64decode(values["AES_KEY_BASE64"], validate=True)) == 32
    assert isinstance(parse_private_key(values["CRYPTO__ECDH_PRIVATE_KEY"]).curve, ec.SECP256R1)
    for name in ("POSTGRES__PASSWORD", "MINIO__SECRET_KEY", "DATA_ACCESS_POSTGRES_PASSWORD"):
        assert re.fullmatch(r"[a-z][\w-]{32}", values[name])
    assert len({values[name] for name in SECRETS}) == len(SECRETS)


def test_two_trusts_have_nothing_secret_in_common(made: EnvText) -> None:
    other = EnvText(render_template())
    complete(other, {}, results=True)
    assert all(other.values[name] != made.values[name] for name in SECRETS)


def test_a_second_run_changes_nothing(made: EnvText) -> None:
    before = str(made)
    again = complete(made, {"TRUST_NAME": "Trust_2"}, results=True)
    assert str(made) == before
    assert again.made == ()
    assert set(SECRETS) <= set(again.kept)


def test_what_is_there_is_kept_and_what_is_missing_is_added_to_a_kit_of_flip() -> None:
    kit = EnvText(
        "# ours\nTRUST_API_KEY=theirs # from the hub\nUNKNOWN=stays\nXNAT_ADMIN_PASSWORD=<run-make-x>\n"
    )
    completed = complete(kit, {}, results=True)
    assert str(kit).startswith("# ours\nTRUST_API_KEY=theirs # from the hub\n")
    assert kit.values["UNKNOWN"] == "stays"
    assert "TRUST_API_KEY" in completed.kept
    assert "XNAT_ADMIN_PASSWORD" in completed.made
    assert given(kit, "POSTGRES__PASSWORD") is not None


def test_a_value_that_people_have_left_empty_stays_empty() -> None:
    kit = EnvText("DOCKER_TAG=\nPOLL_INTERVAL_SECONDS=\n")
    complete(kit, {}, results=True)
    assert kit.values["POLL_INTERVAL_SECONDS"] == ""


def test_without_results_nothing_of_the_result_side_is_added() -> None:
    kit = EnvText(render_template(results=False))
    completed = complete(
        kit, {"TRUST_NAME": "T", "CENTRAL_HUB_API_URL": "https://hub.example"}, results=False
    )
    assert not [name for name in kit.values if name.startswith(("HUB__", "MINIO__", "OIDC__", "CRYPTO__"))]
    assert completed.open == ()


def test_a_wish_that_contradicts_the_kit_is_refused_without_telling_the_value() -> None:
    kit = EnvText("TRUST_NAME=Trust_1\n")
    with pytest.raises(KitError) as refused:
        complete(kit, {"TRUST_NAME": "Trust_2"}, results=True)
    assert "TRUST_NAME" in str(refused.value)
    assert "Trust_1" not in str(refused.value)
    assert str(kit) == "TRUST_NAME=Trust_1\n"


def test_a_wish_that_no_env_file_can_hold_is_refused() -> None:
    with pytest.raises(KitError, match="TRUST_NAME"):
        complete(EnvText(), {"TRUST_NAME": "two\nlines"}, results=True)


def test_what_is_public_is_what_the_hubs_want(made: EnvText) -> None:
    facts = public_facts(made)
    expected = hashlib.sha256(made.values["TRUST_API_KEY"].encode()).hexdigest()
    assert facts.trust_api_key_hashes is not None
    assert json.loads(facts.trust_api_key_hashes) == {"Trust_2": expected}
    aes = base64.b64decode(made.values["AES_KEY_BASE64"])
    assert facts.aes_key_fingerprint == hashlib.sha256(aes).hexdigest()[:12]
    own = parse_private_key(made.values["CRYPTO__ECDH_PRIVATE_KEY"])
    assert facts.ecdh_public_key_hex is not None
    assert parse_peer_key(facts.ecdh_public_key_hex, own) == own.public_key()
    assert load_pem_public_key(bytes.fromhex(facts.ecdh_public_key_hex)) == own.public_key()


def test_nothing_public_holds_anything_secret(made: EnvText) -> None:
    told = repr(public_facts(made))
    assert not [name for name in SECRETS if made.values[name] in told]


def test_of_an_empty_kit_nothing_is_public() -> None:
    facts = public_facts(EnvText())
    assert facts.trust_api_key_hashes is None
    assert facts.ecdh_public_key_hex is None


@pytest.mark.parametrize("text", ["AES_KEY_BASE64=c2hvcnQ=\n", "CRYPTO__ECDH_PRIVATE_KEY=nonsense-4711\n"])
def test_a_damaged_key_is_told_without_being_shown(text: str) -> None:
    with pytest.raises(KitError) as refused:
        public_facts(EnvText(text))
    assert text.split("=")[0] in str(refused.value)
    assert "4711" not in str(refused.value)


@pytest.mark.parametrize("secret", Secret)
def test_a_rotation_changes_one_value_and_says_what_follows(made: EnvText, secret: Secret) -> None:
    before = dict(made.values)
    rotation = rotate(made, secret)
    changed = {name for name, value in made.values.items() if before[name] != value}
    assert changed == {ROTATIONS[secret].variable}
    assert rotation.follows
    assert any("make up-local-trust" in step for step in rotation.follows)
    assert "restart-local-trust" not in " ".join(rotation.follows), "containers would keep the old value"


def test_what_is_not_there_cannot_be_rotated() -> None:
    with pytest.raises(KitError, match="new-trust"):
        rotate(EnvText("TRUST_API_KEY=<run-make-it>\n"), Secret.API_KEY)
