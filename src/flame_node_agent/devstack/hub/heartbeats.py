"""The health snapshot in a heartbeat's body, as far as the hub accepts it (FLIP hub, POST /trust/heartbeat)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

ServiceKey = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")]


class ServiceHealth(BaseModel):
    status: Literal["healthy", "degraded", "down", "unknown"]
    version: Annotated[str, StringConstraints(max_length=64)] | None = None
    response_ms: Annotated[int, Field(ge=0, le=1_000_000)] | None = None


class HealthSnapshot(BaseModel):
    """``collected_at`` is not kept: the hub goes by its own clock."""

    services: Annotated[dict[ServiceKey, ServiceHealth], Field(min_length=1, max_length=16)]
    collected_at: Any = None
