"""The result endpoint as one ASGI application."""

from __future__ import annotations

from fastapi import FastAPI

from flame_node_agent.config.settings import Settings
from flame_node_agent.results import failures
from flame_node_agent.results.access_log import AccessLog
from flame_node_agent.results.docs_ui import add_docs
from flame_node_agent.results.openapi import application
from flame_node_agent.results.ports import ResultDependencies
from flame_node_agent.results.routes import add_routes
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
