"""The settings tree, and how it is loaded.

Each leaf is one variable: its name is the path in capitals, joined by two underscores, so that
``settings.hub.auth.flow`` is ``HUB__AUTH__FLOW``. What it means and accepts stands where it is declared.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from flame_node_agent.config.database import DatabaseSettings
from flame_node_agent.config.environment import ENV_FILE, Found, find
from flame_node_agent.config.hub import HubSettings
from flame_node_agent.config.introspection import Variable, variables
from flame_node_agent.config.listening import ListenSettings
from flame_node_agent.config.logs import LogSettings
from flame_node_agent.config.object_store import ObjectStoreSettings
from flame_node_agent.config.oidc import OidcSettings
from flame_node_agent.config.outbound import HttpSettings, ProxySettings
from flame_node_agent.config.outbox import JanitorSettings, OutboxSettings
from flame_node_agent.config.private_key import PrivateKey
from flame_node_agent.config.problems import explain
from flame_node_agent.config.results import ResultSettings
from flame_node_agent.config.values import CertificateFile, Seconds, Text
from flame_node_agent.errors import SettingsError

__all__ = ["ENV_FILE", "Loaded", "Settings", "known_variables", "load", "load_settings"]


class Settings(BaseSettings):
    """General: what belongs to no single part."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, validate_default=True
    )

    hub: HubSettings
    minio: ObjectStoreSettings
    oidc: OidcSettings
    postgres: DatabaseSettings
    crypto: PrivateKey = Field(
        discriminator="provider",
        title="The node's private key, with which files are sealed for, and opened from, other nodes.",
        description="Where the node's private key is: in a variable (`raw`) or in a file (`file`).",
    )
    proxy: ProxySettings
    http: HttpSettings
    listen: ListenSettings
    results: ResultSettings
    outbox: OutboxSettings
    janitor: JanitorSettings
    log: LogSettings
    extra_ca_certs: CertificateFile | None = Field(
        default=None,
        description="PEM file with certificate authorities that are trusted in addition to the system's, "
        "for the hub, the OIDC issuer, the object store and the proxy.",
    )
    hub_adapter_client_id: Text = Field(
        default="hub-adapter",
        description="Client id that may delete a project's local results: that of the node's hub adapter.",
    )
    shutdown_grace_seconds: Seconds = Field(
        default=25,
        description="Time from SIGTERM to the end, in which running requests and uploads are finished or "
        "handed back. Keep it below the container's grace period (10 seconds in Docker, 30 in Kubernetes).",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let :func:`load` be the only way in: it knows other names, and where each value came from."""
        return (init_settings,)


@dataclass(frozen=True)
class Loaded:
    """Valid settings, and for every variable that was given, where it was found."""

    settings: Settings
    found: Mapping[str, Found]


def load_settings(env: Mapping[str, str] | None = None, env_file: Path | None = ENV_FILE) -> Settings:
    """Load the settings from ``env`` (default: the process environment) and, behind it, ``env_file``.

    Raises:
        SettingsError: with one problem per wrong, missing or contradictory variable.
    """
    return load(env, env_file).settings


def load(env: Mapping[str, str] | None = None, env_file: Path | None = ENV_FILE) -> Loaded:
    """Like :func:`load_settings`, with the origin of every value.

    Raises:
        SettingsError: with one problem per wrong, missing or contradictory variable.
    """
    known = known_variables()
    findings = find(known, os.environ if env is None else env, env_file)
    try:
        settings = Settings(**_nested(known, findings.values))
    except ValidationError as error:
        contradictory = {problem.variable for problem in findings.problems}
        others = [problem for problem in explain(error, known) if problem.variable not in contradictory]
        raise SettingsError([*others, *findings.problems]) from None
    if findings.problems:
        raise SettingsError(list(findings.problems))
    return Loaded(settings, findings.values)


def known_variables() -> list[Variable]:
    """List all variables that the agent reads."""
    return variables(Settings)


def _nested(known: list[Variable], found: Mapping[str, Found]) -> dict[str, Any]:
    """Put the values in their places; a group nobody has set is empty, so that each leaf can be missed."""
    tree: dict[str, Any] = {}
    for variable in known:
        *groups, leaf = variable.path
        place = tree
        for group in groups:
            place = place.setdefault(group, {})
        if variable.name in found:
            place[leaf] = found[variable.name].value
    return tree
