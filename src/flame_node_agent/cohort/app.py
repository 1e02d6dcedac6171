"""data-access-api as one ASGI application."""

from __future__ import annotations

from fastapi import FastAPI

from flame_node_agent import __version__
from flame_node_agent.cohort import failures
from flame_node_agent.cohort.access_log import AccessLog
from flame_node_agent.cohort.ports import CohortDependencies
from flame_node_agent.cohort.routes import add_routes
from flame_node_agent.config.data_access import DataAccessSettings

TITLE = "Data Access API"


def create_app(deps: CohortDependencies, settings: DataAccessSettings) -> FastAPI:
    """Put the service together. Nothing is asked or connected before the first request.

    In production it does not describe itself (FLIP: no ``/docs`` and ``/openapi.json`` when ENV is production).
    """
    app = FastAPI(
        title=TITLE,
        summary="Cohort queries on the trust's OMOP database, of which only safe numbers leave the trust.",
        version=__version__,
        openapi_url=None if settings.env == "production" else "/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(AccessLog)
    failures.install(app)
    add_routes(app, deps, settings)
    return app
