"""How requests leave the building: proxies and time-outs."""

from __future__ import annotations

from pydantic import Field

from flame_node_agent.config.values import Group, ProxyUrl, Seconds


class ProxySettings(Group):
    """Forward proxies for everything that goes to the hub and to the OIDC issuer."""

    http_url: ProxyUrl | None = Field(
        default=None,
        description="Forward proxy for http URLs. Used for https as well when PROXY__HTTPS_URL is not given.",
    )
    https_url: ProxyUrl | None = Field(
        default=None,
        description="Forward proxy for https URLs. Used for http as well when PROXY__HTTP_URL is not given.",
    )


class HttpSettings(Group):
    """Time-outs of outbound requests."""

    connect_timeout_seconds: Seconds = Field(
        default=5,
        description="Longest wait for a connection to the hub, the issuer, the proxy or another service of the trust.",
    )
    read_timeout_seconds: Seconds = Field(
        default=90,
        description="Longest silence of the hub or the issuer while an answer is awaited. "
        "A hub that stores a large file answers only after its last byte.",
    )
