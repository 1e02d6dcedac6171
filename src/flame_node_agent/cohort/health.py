"""/health, /readyz and /metrics: for those who run the service. They need no key."""

from __future__ import annotations

from fastapi import Response
from fastapi.responses import JSONResponse

from flame_node_agent import __version__
from flame_node_agent.telemetry import metrics
from flame_node_agent.telemetry.readiness import Readiness
from flame_node_agent.wire.data_access import ServiceHealth


class Health:
    """Tells how this process is."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    async def get_health(self) -> ServiceHealth:
        """Check whether the service is running. Asks nobody else, so it is answered at once."""
        return ServiceHealth(status="ok", version=__version__)

    async def get_readiness(self) -> JSONResponse:
        """Check whether the databases are there. Responds with a 503 that names what is missing."""
        missing = await self._readiness.check()
        if missing:
            return JSONResponse({"status": "not ready", "missing": missing}, status_code=503)
        return JSONResponse({"status": "ready", "missing": {}})

    async def get_metrics(self) -> Response:
        """Get the metrics of this process in Prometheus' text format."""
        return Response(metrics.render(), headers={"Content-Type": metrics.CONTENT_TYPE})
