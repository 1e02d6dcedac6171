"""The hub's secret in AWS Secrets Manager: reading it, and merging a trust into it.

Secrets Manager has no write that fails when somebody else was quicker. It does keep the version that a write has put
away, under the stage AWSPREVIOUS, so that what was overwritten by chance is found there and brought back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from provision.hub_secret import merged
from provision.said import Stop

CURRENT = "AWSCURRENT"
PREVIOUS = "AWSPREVIOUS"
ATTEMPTS = 3


@dataclass(frozen=True)
class Version:
    """One version of a secret."""

    id: str
    text: str
    value: dict[str, Any]


def read_secret(client: Any, secret: str) -> dict[str, Any]:
    """The hub's secret.

    Raises:
        Stop: it is missing, or no JSON object.
    """
    return _read(client, secret, CURRENT).value


def merge_trust(client: Any, secret: str, *, trust: str, api_key: str, aes_key: str) -> list[str]:
    """Merge, and look again until there is nothing to merge; returns what was changed.

    A version that somebody else has written in between is brought back, with the trust in it.

    Raises:
        Stop: as ``merged``; or the secret keeps being changed by somebody else.
    """
    said: list[str] = []
    for _ in range(ATTEMPTS):
        before = _read(client, secret, CURRENT)
        fresh, changes = merged(before.value, trust, api_key, aes_key)
        if not changes:
            return said
        said += [change for change in changes if change not in said]
        written = _write(client, secret, json.dumps(fresh))
        overwritten = _read(client, secret, PREVIOUS)
        if overwritten.id == before.id:
            continue
        if overwritten.id == written:
            raise Stop(_keeps_changing(secret, before.id))
        _bring_back(client, secret, overwritten, written, (trust, api_key, aes_key))
    if merged(read_secret(client, secret), trust, api_key, aes_key)[1]:
        raise Stop(f"The hub's secret {secret} keeps being changed by somebody else; run this again")
    return said


def _bring_back(
    client: Any, secret: str, overwritten: Version, written: str, keys: tuple[str, str, str]
) -> None:
    """Write what somebody else has written between our reading and our writing, with the trust in it."""
    try:
        text = json.dumps(merged(overwritten.value, *keys)[0])
    except Stop:
        _write(client, secret, overwritten.text)
        raise
    _write(client, secret, text)
    if _read(client, secret, PREVIOUS).id != written:
        raise Stop(_keeps_changing(secret, overwritten.id))


def _keeps_changing(secret: str, version: str) -> str:
    return (
        f"The hub's secret {secret} was changed by somebody else at the same time, more than once. Look whether it "
        f"holds all trusts: aws secretsmanager get-secret-value --secret-id {secret} --version-id {version} shows one "
        "of the versions before. Then run this again"
    )


def _read(client: Any, secret: str, stage: str) -> Version:
    try:
        answer = client.get_secret_value(SecretId=secret, VersionStage=stage)
        text = answer["SecretString"]
    except (ClientError, KeyError) as error:
        raise Stop(
            f"The hub's secret {secret} cannot be read ({_name(error)}); deploy the hub first"
        ) from None
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Stop(f"The hub's secret {secret} is no JSON object; nothing was changed")
    return Version(answer["VersionId"], text, value)


def _write(client: Any, secret: str, text: str) -> str:
    return str(client.put_secret_value(SecretId=secret, SecretString=text)["VersionId"])


def _name(error: Exception) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else "it is binary"
