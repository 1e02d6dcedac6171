"""/healthz, /readyz and /metrics: for those who run the node. They need no token."""

from __future__ import annotations

from fastapi import Response
from fastapi.responses import JSONResponse

from flame_node_agent.results.ports import Readiness
from flame_node_agent.telemetry import metrics


class Health:
    """Tells how this process is."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    async def get_health(self) -> JSONResponse:
        """Check whether the service is ready to process requests. Responds with a 200 on success.

        Asks nobody else, so it is answered at once whatever else is slow or away.
        """
        return JSONResponse({"status": "ok"})

    async def get_readiness(self) -> JSONResponse:
        """Check whether everything is there that results are accepted with.

        Responds with a 200 on success, and with a 503 that names what is missing.
        """
        missing = await self._readiness.check()
        if missing:
            return JSONResponse({"status": "not ready", "missing": missing}, status_code=503)
        return JSONResponse({"status": "ready", "missing": {}})

    async def get_metrics(self) -> Response:
        """Get the metrics of this process in Prometheus' text format."""
        return Response(metrics.render(), headers={"Content-Type": metrics.CONTENT_TYPE})
