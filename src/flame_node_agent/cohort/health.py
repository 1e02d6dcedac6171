"""/health, /readyz and /metrics: for those who run the service. They need no key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from fastapi import Response
from fastapi.responses import JSONResponse

from flame_node_agent import __version__
from flame_node_agent.errors import NodeError, Refused
from flame_node_agent.telemetry import metrics
from flame_node_agent.wire.data_access import ServiceHealth

CHECK_SECONDS = 3.0


class Health:
    """Tells how this process is."""

    def __init__(self, checks: Mapping[str, Callable[[], Awaitable[object]]]) -> None:
        """``checks`` has what the service needs, by name; each raises a NodeError when it is missing."""
        self._checks = checks

    async def get_health(self) -> ServiceHealth:
        """Check whether the service is running. Asks nobody else, so it is answered at once."""
        return ServiceHealth(status="ok", version=__version__)

    async def get_readiness(self) -> JSONResponse:
        """Check whether the databases are there. Responds with a 503 that names what is missing."""
        reasons = await asyncio.gather(*(self._reason(check) for check in self._checks.values()))
        missing = {name: reason for name, reason in zip(self._checks, reasons, strict=True) if reason}
        if missing:
            return JSONResponse({"status": "not ready", "missing": missing}, status_code=503)
        return JSONResponse({"status": "ready", "missing": {}})

    async def get_metrics(self) -> Response:
        """Get the metrics of this process in Prometheus' text format."""
        return Response(metrics.render(), headers={"Content-Type": metrics.CONTENT_TYPE})

    @staticmethod
    async def _reason(check: Callable[[], Awaitable[object]]) -> str:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await check()
        except TimeoutError:
            return f"no answer within {CHECK_SECONDS:g} s"
        except Refused as error:
            return error.detail
        except NodeError as error:
            return str(error) or type(error).__name__
        return ""
