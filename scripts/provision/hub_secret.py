"""What the hub must know of a trust, merged into what the hub's secret holds.

Source: FLIP, secret ``FLIP_API`` with ``trust_api_key_hashes``, a JSON object of SHA-256 by the trust's name. The key
itself stays in the trust: the hub compares hashes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from provision.said import Stop

HASHES = "TRUST_API_KEY_HASHES"
NAMES = "TRUST_NAMES"
AES_KEY = "AES_KEY_BASE64"


def aes_key_of(value: dict[str, Any]) -> str:
    """The AES key that the hub shares with its trusts; empty when it has none yet."""
    found = value.get(_key(value, AES_KEY), "")
    return found if isinstance(found, str) else ""


def merged(value: dict[str, Any], trust: str, api_key: str, aes_key: str) -> tuple[dict[str, Any], list[str]]:
    """The secret with this trust in it, and what was changed; what belongs to other trusts stays byte for byte.

    Raises:
        Stop: the hub and the trust hold different AES keys, or the secret is not in the form that the hub reads.
    """
    fresh, said = dict(value), []
    key = _key(fresh, AES_KEY)
    known = aes_key_of(fresh)
    if known and not hmac.compare_digest(known, aes_key):
        raise Stop(
            f"The hub has another {AES_KEY} than the kit, and other trusts depend on it. Put the hub's into the kit; "
            "nothing was changed"
        )
    if not known:
        fresh[key] = aes_key
        said.append(f"{key} is new")
    key = _key(fresh, HASHES)
    hashes, as_text = _decoded(fresh.get(key, "{}"), dict, key)
    own = hashlib.sha256(api_key.encode()).hexdigest()
    if hashes.get(trust) != own:
        said.append(f"{trust} in {key} is {'replaced' if trust in hashes else 'new'}")
        fresh[key] = _encoded({**hashes, trust: own}, as_text=as_text)
    key = _key(fresh, NAMES)
    if key in fresh:
        names, as_text = _decoded(fresh[key], list, key)
        if trust not in names:
            said.append(f"{trust} in {key} is new")
            fresh[key] = _encoded([*names, trust], as_text=as_text)
    return fresh, said


def _key(value: dict[str, Any], name: str) -> str:
    """The spelling that the secret has; FLIP's own is lower case."""
    return next((key for key in value if key.upper() == name), name.lower())


def _decoded[T: (dict[str, Any], list[Any])](found: Any, kind: type[T], key: str) -> tuple[T, bool]:
    as_text = isinstance(found, str)
    try:
        value = json.loads(found) if isinstance(found, str) else found
    except ValueError:
        value = None
    if not isinstance(value, kind):
        raise Stop(
            f"{key} in the hub's secret is not the JSON {kind.__name__} that the hub reads; nothing was changed"
        )
    return value, as_text


def _encoded(value: object, *, as_text: bool) -> object:
    return json.dumps(value) if as_text else value
