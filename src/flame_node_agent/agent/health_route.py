"""``GET /health``: what FLIP's onboarding checks and monitoring ask of trust-api."""

from __future__ import annotations

from fastapi import APIRouter

from flame_node_agent.agent.hub_status import HubStatus
from flame_node_agent.agent.liveness import Liveness
from flame_node_agent.wire.health import NodeHealth


def health_router(liveness: Liveness, hub_status: HubStatus, version: str) -> APIRouter:
    """Serve ``/health`` and ``/health/``, both at once and from memory alone."""
    router = APIRouter()

    async def get_node_health() -> NodeHealth:
        """Tell which loops are dead and what is known of the hub. The status is 200 also when it is degraded."""
        dead = liveness.dead()
        return NodeHealth(
            status="degraded" if dead else "ok",
            version=version,
            dead_tasks=dead,
            hub_version=hub_status.hub_version,
            hub_key_match=hub_status.hub_key_match,
            hub_key_fingerprint=hub_status.hub_key_fingerprint,
        )

    # Not in the interface description, which is that of the FLAME Node Result Service.
    for path in ("/health", "/health/"):
        router.add_api_route(path, get_node_health, methods=["GET"], include_in_schema=False)
    return router
