"""Two who write the hub's secret at the same time: neither loses what the other has written."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.deploy.ansible.tools import Tools

MERGE = """
import boto3, json, os
from provision.said import Stop
from provision.secrets_manager import merge_trust

real = boto3.client("secretsmanager")
real.create_secret(Name="FLIP_API", SecretString='{"aes_key_base64": "aes", "trust_api_key_hashes": "{}"}')
others = json.loads(os.environ["OTHERS"])

class Crowded:
    # Somebody else writes just before each of the first puts; what each of them writes is based on what they read then.
    def get_secret_value(self, **told):
        return real.get_secret_value(**told)
    def put_secret_value(self, **told):
        if others:
            value = json.loads(real.get_secret_value(SecretId="FLIP_API")["SecretString"])
            value.update(others.pop(0))
            real.put_secret_value(SecretId="FLIP_API", SecretString=json.dumps(value))
        return real.put_secret_value(**told)

try:
    merge_trust(Crowded(), "FLIP_API", trust="Trust_2", api_key="key", aes_key="aes")
    stopped = ""
except Stop as reason:
    stopped = str(reason)
found = json.loads(real.get_secret_value(SecretId="FLIP_API")["SecretString"])
print(json.dumps([found, stopped]))
"""
OWN = {"Trust_2": hashlib.sha256(b"key").hexdigest()}
BY_ANOTHER = {"trust_api_key_hashes": json.dumps({"Trust_3": "3" * 64})}


def merge(
    tools: Tools, amazon: dict[str, str], *others: dict[str, str]
) -> tuple[dict[str, str], dict[str, str], str]:
    """Merge beside somebody who writes ``others``; the trusts in the secret, the rest of it, and why it stopped."""
    found, stopped = tools.python(MERGE, {**amazon, "OTHERS": json.dumps(others)})
    return json.loads(found.pop("trust_api_key_hashes")), found, stopped


def test_nobody_else_writes(tools: Tools, amazon: dict[str, str]) -> None:
    assert merge(tools, amazon) == (OWN, {"aes_key_base64": "aes"}, "")


@pytest.mark.parametrize("other", [{"database_password": "new"}, BY_ANOTHER], ids=["a value", "a trust"])
def test_what_somebody_writes_between_reading_and_writing_is_brought_back(
    tools: Tools, amazon: dict[str, str], other: dict[str, str]
) -> None:
    trusts, rest, stopped = merge(tools, amazon, other)
    assert trusts == {**OWN, **json.loads(other.get("trust_api_key_hashes", "{}"))}
    assert rest == {
        "aes_key_base64": "aes",
        **{name: other[name] for name in other.keys() & {"database_password"}},
    }
    assert stopped == ""


def test_another_aes_key_that_somebody_writes_meanwhile_stays_and_is_said(
    tools: Tools, amazon: dict[str, str]
) -> None:
    trusts, rest, stopped = merge(tools, amazon, {"aes_key_base64": "another"})
    assert (trusts, rest) == ({}, {"aes_key_base64": "another"})
    assert "other trusts depend on it" in stopped


def test_a_secret_that_is_changed_again_and_again_is_not_left_in_silence(
    tools: Tools, amazon: dict[str, str]
) -> None:
    _, _, stopped = merge(tools, amazon, {"a": "1"}, {"b": "2"})
    assert "aws secretsmanager get-secret-value --secret-id FLIP_API --version-id" in stopped
