"""The hub as one ASGI application: ``/auth``, ``/core``, ``/storage``, ``/api`` (FLIP's) and ``/admin``."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from flame_node_agent.devstack.hub import routes_admin, routes_auth, routes_core, routes_storage
from flame_node_agent.devstack.hub.entities_auth import AUTH
from flame_node_agent.devstack.hub.entities_core import CORE
from flame_node_agent.devstack.hub.entities_storage import STORAGE
from flame_node_agent.devstack.hub.faults import FaultInjection
from flame_node_agent.devstack.hub.flip_errors import flip_answer, is_flip
from flame_node_agent.devstack.hub.refusals import Refusal, error_body
from flame_node_agent.devstack.hub.routes_records import records_router
from flame_node_agent.devstack.hub.routes_task_admin import task_router, trust_router
from flame_node_agent.devstack.hub.routes_trusts import api_routers
from flame_node_agent.devstack.hub.state import Hub


def create_app(hub: Hub) -> FastAPI:
    """Assemble the services of an open hub."""
    app = FastAPI(title="FLAME development hub", redirect_slashes=False, docs_url=None, redoc_url=None)
    app.state.hub = hub
    app.include_router(routes_auth.router, prefix="/auth")
    app.include_router(records_router(AUTH), prefix="/auth")
    app.include_router(routes_core.router, prefix="/core")
    app.include_router(records_router(CORE), prefix="/core")
    app.include_router(routes_storage.router, prefix="/storage")
    app.include_router(records_router(STORAGE), prefix="/storage")
    app.include_router(routes_admin.router, prefix="/admin")
    app.include_router(task_router, prefix="/admin")
    for router in (*api_routers(hub.task_side.options.routes), trust_router):
        app.include_router(router, prefix="/api")
    for service in ("auth", "core", "storage"):
        app.add_api_route(f"/{service}", _about, methods=["GET"])
        app.add_api_route(f"/{service}/", _about, methods=["GET"])

    async def refuse(request: Request, error: Exception) -> Response:
        return flip_answer(error) if is_flip(request.url.path) else _answer(hub, error)

    for kind in (Refusal, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, refuse)
    app.add_middleware(FaultInjection, faults=hub.faults)
    return app


async def _about(request: Request) -> dict[str, Any]:
    hub: Hub = request.app.state.hub
    return {"version": hub.profile.version}


def _answer(hub: Hub, error: Exception) -> Response:
    status, message, code, issues = 500, "An internal server error occurred.", None, []
    if isinstance(error, Refusal):
        status, message, code, issues = error.status, error.message, error.code, error.issues
    elif isinstance(error, HTTPException):
        status, message = error.status_code, str(error.detail)
    elif isinstance(error, RequestValidationError):
        status, message = (
            400,
            "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()),
        )
    return JSONResponse(error_body(hub.profile, status, message, code, issues), status)
