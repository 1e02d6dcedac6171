"""The result endpoint as one ASGI application."""

from __future__ import annotations

from fastapi import FastAPI

from flame_node_agent.config.settings import Settings
from flame_node_agent.results import failures
from flame_node_agent.results.access_log import AccessLog
from flame_node_agent.results.docs_ui import add_docs
from flame_node_agent.results.health import Health
from flame_node_agent.results.openapi import application
from flame_node_agent.results.ports import Readiness, ResultDependencies
from flame_node_agent.results.routes import add_health, add_routes
from flame_node_agent.results.tokens import TokenCheck


def create_app(deps: ResultDependencies, settings: Settings) -> FastAPI:
    """Put the endpoint together. Nothing is asked or connected before the first request."""
    app = application()
    app.state.tokens = TokenCheck(settings.oidc, deps.issuer_keys)
    app.add_middleware(AccessLog)
    failures.install(app)
    add_routes(app, deps, settings)
    add_docs(app)
    return app


def create_operations_app(readiness: Readiness) -> FastAPI:
    """The same without any route for analyses, for an agent that does tasks alone."""
    app = application()
    app.add_middleware(AccessLog)
    failures.install(app)
    add_health(app, Health(readiness))
    add_docs(app)
    return app
