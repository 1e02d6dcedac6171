"""How FLIP's side of the hub says no: ``{"detail": …}``, as FastAPI does."""

from __future__ import annotations

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from flame_node_agent.devstack.hub.refusals import Refusal

_PREFIX = "/api/"


def is_flip(path: str) -> bool:
    """Whether FLIP's hub would answer here."""
    return path.startswith(_PREFIX)


def flip_answer(error: Exception) -> Response:
    """The answer to a request that came to nothing; without what was sent, which may be large."""
    if isinstance(error, Refusal):
        return JSONResponse({"detail": error.message}, error.status)
    if isinstance(error, HTTPException):
        return JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)
    if isinstance(error, RequestValidationError):
        wrong = [{"loc": list(e["loc"]), "msg": e["msg"], "type": e["type"]} for e in error.errors()]
        return JSONResponse({"detail": wrong}, 422)
    return JSONResponse({"detail": "Internal server error"}, 500)
