"""Where the result endpoint listens."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flame_node_agent.config.values import Accepts, CommaSeparated, Distinct, Group, Port, Text

Ports = Annotated[
    tuple[Port, ...],
    CommaSeparated,
    Distinct,
    Field(min_length=1),
    Accepts("one or more different port numbers from 1 to 65535, separated by commas"),
]


class ListenSettings(Group):
    """The address and ports that analyses and other services connect to."""

    host: Text = Field(
        default="0.0.0.0",  # noqa: S104 - analyses reach the agent over the container network
        description="Address to listen on. The default is every address of the container.",
    )
    ports: Ports = Field(
        default=(8000, 8080),
        description="Ports to listen on, all with the same routes. FLAME's parts expect 8000 or 8080.",
    )
