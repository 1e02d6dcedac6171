"""The hub's secret in AWS Secrets Manager: reading it, and merging a trust into it."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from provision.hub_secret import merged
from provision.said import Stop


def read_secret(client: Any, secret: str) -> dict[str, Any]:
    """The hub's secret.

    Raises:
        Stop: it is missing, or no JSON object.
    """
    try:
        text = client.get_secret_value(SecretId=secret)["SecretString"]
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
    return value


def merge_trust(client: Any, secret: str, *, trust: str, api_key: str, aes_key: str) -> list[str]:
    """Merge and look again, as somebody else may have written at the same time; returns what was changed.

    Raises:
        Stop: as ``merged``; or the secret keeps being changed by somebody else.
    """
    said: list[str] = []
    for _ in range(3):
        fresh, changes = merged(read_secret(client, secret), trust, api_key, aes_key)
        if not changes:
            return said
        said += [change for change in changes if change not in said]
        client.put_secret_value(SecretId=secret, SecretString=json.dumps(fresh))
    if merged(read_secret(client, secret), trust, api_key, aes_key)[1]:
        raise Stop(f"The hub's secret {secret} keeps being changed by somebody else; run this again")
    return said


def _name(error: Exception) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else "it is binary"
