"""The settings of omop-relay: the one server that it leads to, and how much it lets through."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer

from flame_node_agent.config.environment import ENV_FILE
from flame_node_agent.config.listening import ListenSettings, Ports
from flame_node_agent.config.loading import load_root
from flame_node_agent.config.shared import ProcessSettings
from flame_node_agent.config.values import Accepts, Count, Group, Port, Seconds

OWN_NAMES = frozenset({"omop-relay", "localhost"})
"""Names that mean the relay itself."""

_SERVER = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.%]+)\]|(?P<host>[A-Za-z0-9_.-]+)):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True)
class ServerAddress:
    """A server's name or address, and its port."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def _server(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = _SERVER.fullmatch(value.strip())
    if found is None or not 1 <= int(found["port"]) <= 65535:
        raise ValueError("is not a host and a port")
    host = found["six"] or found["host"]
    if host.lower() in OWN_NAMES:
        raise ValueError("leads back to the relay itself")
    return ServerAddress(host, int(found["port"]))


Server = Annotated[
    ServerAddress,
    BeforeValidator(_server),
    PlainSerializer(str),
    Accepts("host:port of a server outside of the stack, as in omop.hospital.example:5432"),
]


class RelayListenSettings(ListenSettings):
    """The address and ports that analyses and other services connect to."""

    ports: Ports = Field(default=(8000,), description=str(ListenSettings.model_fields["ports"].description))


class PassageSettings(Group):
    """The relay's passage: the port that it keeps open, and how much it lets through."""

    port: Port = Field(
        default=5432, description="Port on which it takes connections for the server, at LISTEN__HOST."
    )
    max_connections: Count = Field(
        default=64, description="Connections that it passes on at the same time; more are cut at once."
    )
    connect_seconds: Seconds = Field(
        default=5, description="Time in which the server has to accept a connection."
    )


class RelaySettings(ProcessSettings):
    """omop-relay: the one server that it leads to."""

    listen: RelayListenSettings
    relay: PassageSettings
    omop_server: Server = Field(
        description="The OMOP database elsewhere in the house. The relay leads there and nowhere else."
    )


def load_relay(env: Mapping[str, str] | None = None, env_file: Path | None = ENV_FILE) -> RelaySettings:
    """Load the settings from ``env`` (default: the process environment) and, behind it, ``env_file``.

    Raises:
        SettingsError: with one problem per wrong, missing or contradictory variable.
    """
    return load_root(RelaySettings, env, env_file).settings
