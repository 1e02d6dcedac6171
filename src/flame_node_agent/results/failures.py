"""From a failure to an answer: one place for all routes.

Where the hub or a store is away, the answer is 503 with Retry-After: the same request will succeed later.
Where the hub answers something unexpected, it is the 502 of the FLAME Node Result Service.
"""

from __future__ import annotations

from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from flame_node_agent.errors import (
    Busy,
    DatabaseUnavailable,
    FilenameConflict,
    HubCredentialsRefused,
    HubError,
    HubRefused,
    HubUnavailable,
    HubUnexpected,
    IssuerUnavailable,
    LeaseLost,
    NodeError,
    ObjectDamaged,
    ObjectStoreUnavailable,
    Refused,
    TokenRejected,
    TooLargeToSeal,
)
from flame_node_agent.hub.storage import MISCOUNTED

log = structlog.get_logger(__name__)


def install(app: FastAPI) -> None:
    """Answer every failure that the agent knows by name, and every method that a path does not have."""
    app.add_exception_handler(NodeError, _answer)
    app.add_exception_handler(HTTPStatus.METHOD_NOT_ALLOWED, _method_not_allowed)


def as_refusal(error: NodeError) -> Refused | None:
    """Give the answer to a failure, or None if a request can only fail with 500."""
    match error:
        case Refused():
            return error
        case TokenRejected():
            return Refused(403, "JWT is malformed")
        case IssuerUnavailable():
            return Refused(502, "Auth provider is unavailable")
        case HubUnavailable():
            return Busy("The Hub is unavailable", retry_after=error.retry_after)
        case HubUnexpected() if error.message.startswith(MISCOUNTED):
            return Refused(502, error.message)
        case HubUnexpected():
            return _unexpected(error.status)
        case HubRefused():
            return _unexpected(error.status)
        case HubCredentialsRefused():
            return _unexpected(401)
        case ObjectDamaged():
            return Refused(502, "Unexpected error from object store")
        case ObjectStoreUnavailable():
            return Busy("The object store is unavailable")
        case DatabaseUnavailable():
            return Busy("The database is unavailable")
        case FilenameConflict():
            return Refused(400, str(error))
        case LeaseLost():
            return Busy("The upload was interrupted")
        case TooLargeToSeal():
            return Refused(413, "The file is too large to be encrypted for another node")
        case _:
            return None


def _unexpected(status: int | None) -> Refused:
    return Refused(502, f"Hub returned an unexpected response ({status or 'unknown'})")


async def _answer(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, NodeError)
    refusal = as_refusal(error)
    if refusal is None:
        raise error
    if isinstance(error, TokenRejected):
        log.info("token.rejected", reason=str(error))
    elif isinstance(error, HubError) or refusal.status == 503:
        log.warning("request.failed", status=refusal.status, error=repr(error))
    return JSONResponse({"detail": refusal.detail}, status_code=refusal.status, headers=refusal.headers)


async def _method_not_allowed(request: Request, _error: Exception) -> JSONResponse:
    """Name all methods of the path (RFC 9110, section 10.2.1); each is a route of its own."""
    path = getattr(request.scope.get("route"), "path", None)
    routes = [route for route in request.app.routes if isinstance(route, APIRoute) and route.path == path]
    allowed = sorted({method for route in routes for method in route.methods or ()})
    return JSONResponse(
        {"detail": HTTPStatus.METHOD_NOT_ALLOWED.phrase},
        status_code=HTTPStatus.METHOD_NOT_ALLOWED,
        headers={"Allow": ", ".join(allowed)},
    )
