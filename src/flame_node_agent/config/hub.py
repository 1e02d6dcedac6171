"""How the node reaches the Central Hub, and as whom.

The variable names are those of the FLAME Node Result Service; ``client`` is the flow of hubs from 0.8.22 on,
where robots became clients.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, HttpUrl

from flame_node_agent.config.values import AlsoNamed, BaseUrl, Group, Secret, Text


class PasswordAuth(Group):
    """Sign in as a user of the hub (OAuth 2 grant ``password``)."""

    flow: Literal["password"]
    username: Text = Field(description="Name of the hub user this node signs in as.")
    password: Secret = Field(description="Password of that user.")


class IdentityAuth(Group):
    """What robots and clients have in common."""

    id: Annotated[Text, AlsoNamed("HUB__ROBOT_AUTH__ID")] = Field(
        description="Id of the robot or client that the hub has issued for this node."
    )
    secret: Annotated[Secret, AlsoNamed("HUB__ROBOT_AUTH__SECRET")] = Field(
        description="Secret of that robot or client."
    )


class RobotAuth(IdentityAuth):
    """Sign in as a robot (grant ``robot_credentials``, hubs up to 0.12)."""

    flow: Literal["robot"]


class ClientAuth(IdentityAuth):
    """Sign in as a client (OAuth 2 grant ``client_credentials``, hubs from 0.8.22 on)."""

    flow: Literal["client"]


HubAuth = PasswordAuth | RobotAuth | ClientAuth


class HubSettings(Group):
    """The Central Hub: its three base URLs and how this node signs in."""

    core_base_url: BaseUrl = Field(
        default=HttpUrl("https://core.privateaim.net"),
        description="Base URL of the FLAME Core API: analyses, nodes, projects, buckets.",
    )
    storage_base_url: BaseUrl = Field(
        default=HttpUrl("https://storage.privateaim.net"),
        description="Base URL of the FLAME Storage API: where result files are uploaded.",
    )
    auth_base_url: BaseUrl = Field(
        default=HttpUrl("https://auth.privateaim.net"),
        description="Base URL of the FLAME Auth API: where access tokens are issued.",
    )
    auth: Annotated[HubAuth, AlsoNamed("HUB__AUTH_METHOD")] = Field(
        discriminator="flow",
        description="How this node signs in: `robot` at hubs up to 0.8.21, `client` at newer ones.",
    )
