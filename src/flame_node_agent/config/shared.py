"""What every service of the node is told: where it listens, how it logs, how it stops, and where its database is."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from flame_node_agent.config.database import DatabaseSettings
from flame_node_agent.config.listening import ListenSettings
from flame_node_agent.config.logs import LogSettings
from flame_node_agent.config.outbound import HttpSettings, ProxySettings
from flame_node_agent.config.outbox import JanitorSettings
from flame_node_agent.config.values import CertificateFile, Seconds


class ProcessSettings(BaseSettings):
    """Every service: where it listens, how it logs, how it stops."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, validate_default=True
    )

    listen: ListenSettings
    log: LogSettings
    shutdown_grace_seconds: Seconds = Field(
        default=25,
        description="Time from SIGTERM to the end, in which running requests, uploads and tasks are finished or "
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
        """Let :mod:`~flame_node_agent.config.loading` be the only way in: it knows other names and origins."""
        return (init_settings,)


class ServiceSettings(ProcessSettings):
    """The services that keep something: their database."""

    postgres: DatabaseSettings


class SharedSettings(ServiceSettings):
    """The agent, both sides: how it reaches out of the building."""

    proxy: ProxySettings
    http: HttpSettings
    janitor: JanitorSettings
    extra_ca_certs: CertificateFile | None = Field(
        default=None,
        description="PEM file with certificate authorities that are trusted in addition to the system's, "
        "for the hub, the OIDC issuer, the object store, the proxy and the other services of the trust.",
    )
