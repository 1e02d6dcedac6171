"""Changing one secret of a trust, and what has to follow elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from flame_node_agent.errors import KitError
from flame_node_agent.kit import making
from flame_node_agent.kit.env_text import EnvText
from flame_node_agent.kit.new_trust import given
from flame_node_agent.kit.sections import Make


class Secret(StrEnum):
    """What can be changed by itself."""

    API_KEY = "api-key"
    AES_KEY = "aes-key"
    INTERNAL_KEY = "internal-key"
    ECDH_KEY = "ecdh-key"
    STORE_PASSWORD = "store-password"  # noqa: S105 - a name
    DATABASE_PASSWORD = "database-password"  # noqa: S105 - a name
    READER_PASSWORD = "reader-password"  # noqa: S105 - a name


@dataclass(frozen=True)
class Rotation:
    """How one secret is changed."""

    variable: str
    make: Make
    follows: tuple[str, ...]
    """What somebody has to do now, in order."""


# Compose gives a container the kit's values when it makes it; `make restart-local-trust` would keep the old ones.
_TAKE_IT_UP = "Bring the trust to the new kit: `make up-local-trust`."

_AT_THE_HUB = (
    "Send the hub's administrator the new hash (`flame-node keys show-public`). They replace this trust's entry in "
    "TRUST_API_KEY_HASHES and redeploy the hub."
)
_UNTIL_BOTH = (
    "Bring the trust to the new kit right after that: `make up-local-trust`. Until both have happened the hub refuses "
    "this trust with 401; tasks and results wait meanwhile."
)
_SAME_KEY_AT_ONCE = (
    "The hub, and every trust that shares this key with it, must change to the same key at the same time. Hand it over "
    "by a way you trust, as it is secret; `flame-node keys show-public` shows its fingerprint, to compare both sides."
)
_AT_THE_TIME_AGREED = (
    "Bring the trust to the new kit at the time agreed: `make up-local-trust`. Tasks that were sealed with the other "
    "key fail and are to be asked again."
)
_NOTHING_ON_ITS_WAY = (
    "Do this only while no analysis exchanges intermediate results: files that were sealed for the old key cannot be "
    "opened with the new one."
)
_DEPOSIT = "Deposit the new public key at the FLAME hub, for this node (`flame-node keys show-public`)."
_TELL_POSTGRES = (
    "Nothing at the hub. PostgreSQL keeps the old password until it is told the new one: run `\\password` as the user "
    "of POSTGRES__USER in psql."
)
_TELL_OMOP = (
    "Nothing at the hub. The OMOP database keeps the old password until it is told the new one: its administrator runs "
    "`\\password` for the role of DATA_ACCESS_POSTGRES_USER in psql."
)
_ALL_SERVICES = f"Nothing at the hub. {_TAKE_IT_UP} All services of the trust must have the new key."
_STORE = f"Nothing at the hub. {_TAKE_IT_UP} A store of your own must be told the new secret key before."

ROTATIONS = {
    Secret.API_KEY: Rotation("TRUST_API_KEY", making.api_key, (_AT_THE_HUB, _UNTIL_BOTH)),
    Secret.AES_KEY: Rotation("AES_KEY_BASE64", making.aes_key, (_SAME_KEY_AT_ONCE, _AT_THE_TIME_AGREED)),
    Secret.INTERNAL_KEY: Rotation("TRUST_INTERNAL_SERVICE_KEY", making.api_key, (_ALL_SERVICES,)),
    Secret.ECDH_KEY: Rotation(
        "CRYPTO__ECDH_PRIVATE_KEY", making.ecdh_private_key, (_NOTHING_ON_ITS_WAY, _DEPOSIT, _TAKE_IT_UP)
    ),
    Secret.STORE_PASSWORD: Rotation("MINIO__SECRET_KEY", making.password, (_STORE,)),
    Secret.DATABASE_PASSWORD: Rotation("POSTGRES__PASSWORD", making.password, (_TELL_POSTGRES, _TAKE_IT_UP)),
    Secret.READER_PASSWORD: Rotation(
        "DATA_ACCESS_POSTGRES_PASSWORD", making.password, (_TELL_OMOP, _TAKE_IT_UP)
    ),
}


def rotate(kit: EnvText, secret: Secret) -> Rotation:
    """Put a new value into ``kit``.

    Raises:
        KitError: the kit does not have the secret yet.
    """
    rotation = ROTATIONS[secret]
    if given(kit, rotation.variable) is None:
        raise KitError(f"{rotation.variable} is not in the kit yet; `flame-node keys new-trust` makes it")
    kit.put(rotation.variable, rotation.make())
    return rotation
