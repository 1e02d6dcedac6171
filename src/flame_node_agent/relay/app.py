"""The relay's own two routes, for those who run it. They need no key, and tell nothing but this."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from flame_node_agent import __version__
from flame_node_agent.relay.passage import Passage

SERVER = "omop-server"
"""How the server is named where something is missing."""


def create_app(passage: Passage) -> FastAPI:
    """Put them together."""
    app = FastAPI(title="omop-relay", version=__version__, openapi_url=None, docs_url=None, redoc_url=None)

    async def get_health() -> JSONResponse:
        """Whether the relay runs. It does so without the server, which it waits for."""
        return JSONResponse({"status": "ok", "version": __version__})

    async def get_readiness() -> JSONResponse:
        """Whether the server can be reached; 503 with the reason otherwise, in the form of the other services."""
        missing = await passage.check()
        if missing is None:
            return JSONResponse({"status": "ready", "missing": {}})
        return JSONResponse({"status": "not ready", "missing": {SERVER: missing}}, status_code=503)

    app.add_api_route("/health", get_health)
    app.add_api_route("/readyz", get_readiness)
    return app
