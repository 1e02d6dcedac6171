"""Who calls: the FastAPI dependency of every route that wants a token."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from flame_node_agent.results.tokens import TokenCheck

ANALYSIS = "flame.analysis"
"""Where the caller's id is kept in the ASGI scope, for the log line of the request."""

# Documents the scheme only: the check has its own order and answers 403 where FastAPI would say 401.
_BEARER = HTTPBearer(auto_error=False)


async def _caller(request: Request, _documented: Annotated[object, Security(_BEARER)]) -> str:
    check: TokenCheck = request.app.state.tokens
    client_id = await check.caller(request.headers.get("authorization"))
    request.scope[ANALYSIS] = client_id
    return client_id


Caller = Annotated[str, Depends(_caller)]
"""The client id of the token, which for an analysis is the analysis' id."""
