"""The settings of the result side, as a tree.

Each leaf is one variable: its name is the path in capitals, joined by two underscores, so that
``settings.hub.auth.flow`` is ``HUB__AUTH__FLOW``. What it means and accepts stands where it is declared.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from flame_node_agent.config.environment import ENV_FILE
from flame_node_agent.config.hub import HubSettings
from flame_node_agent.config.introspection import Variable, variables
from flame_node_agent.config.loading import Loaded, load_root
from flame_node_agent.config.object_store import ObjectStoreSettings
from flame_node_agent.config.oidc import OidcSettings
from flame_node_agent.config.outbox import OutboxSettings
from flame_node_agent.config.private_key import PrivateKey
from flame_node_agent.config.results import ResultSettings
from flame_node_agent.config.shared import SharedSettings
from flame_node_agent.config.values import Text

__all__ = ["ENV_FILE", "Loaded", "Settings", "known_variables", "load", "load_settings"]


class Settings(SharedSettings):
    """The result side: what belongs to no single part of it."""

    hub: HubSettings
    minio: ObjectStoreSettings
    oidc: OidcSettings
    crypto: PrivateKey = Field(
        discriminator="provider",
        title="The node's private key, with which files are sealed for, and opened from, other nodes.",
        description="Where the node's private key is: in a variable (`raw`) or in a file (`file`).",
    )
    results: ResultSettings
    outbox: OutboxSettings
    hub_adapter_client_id: Text = Field(
        default="hub-adapter",
        description="Client id that may delete a project's local results: that of the node's hub adapter.",
    )


def load_settings(env: Mapping[str, str] | None = None, env_file: Path | None = ENV_FILE) -> Settings:
    """Load the settings from ``env`` (default: the process environment) and, behind it, ``env_file``.

    Raises:
        SettingsError: with one problem per wrong, missing or contradictory variable.
    """
    return load(env, env_file).settings


def load(env: Mapping[str, str] | None = None, env_file: Path | None = ENV_FILE) -> Loaded[Settings]:
    """Like :func:`load_settings`, with the origin of every value.

    Raises:
        SettingsError: with one problem per wrong, missing or contradictory variable.
    """
    return load_root(Settings, env, env_file)


def known_variables() -> list[Variable]:
    """List all variables that the result side reads."""
    return variables(Settings)
