"""How the services of this trust are, as the hub is told in heartbeats (FLIP hub, POST /trust/heartbeat)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

MAX_VERSION_CHARACTERS = 64
MAX_RESPONSE_MS = 1_000_000


class HealthStatus(StrEnum):
    """All that the hub knows."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class ServiceHealth:
    """One service, within the limits of what the hub takes."""

    status: HealthStatus
    version: str | None = None
    response_ms: int | None = None

    def __post_init__(self) -> None:
        if self.version is not None:
            object.__setattr__(self, "version", self.version[:MAX_VERSION_CHARACTERS])
        if self.response_ms is not None:
            object.__setattr__(self, "response_ms", min(max(self.response_ms, 0), MAX_RESPONSE_MS))


def snapshot(services: dict[str, ServiceHealth]) -> dict[str, Any]:
    """The body of a heartbeat, collected now."""
    return {
        "services": {name: asdict(health) for name, health in services.items()},
        "collected_at": datetime.now(UTC).isoformat(),
    }


class NodeHealth(BaseModel):
    """The agent's own answer to ``GET /health`` (FLIP trust-api)."""

    status: str
    """``ok``, or ``degraded`` when a loop has ended."""
    version: str | None
    dead_tasks: list[str]
    """Loops that have ended although nobody stopped them."""
    hub_version: str | None
    hub_key_match: bool | None
    """Whether the hub seals with a key of this trust; None as long as it does not say."""
    hub_key_fingerprint: str | None
    """First 12 hex digits of the SHA-256 of the hub's key."""
