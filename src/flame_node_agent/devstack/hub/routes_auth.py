"""The auth service (authup): ``POST /token`` and a few accounts to look at."""

from __future__ import annotations

import hmac
import json
import sqlite3
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from flame_node_agent.devstack.hub import records
from flame_node_agent.devstack.hub.entities import CLIENT, ROBOT, USER
from flame_node_agent.devstack.hub.fields import Entity
from flame_node_agent.devstack.hub.refusals import Refusal, bad_request
from flame_node_agent.devstack.hub.state import Hub, hub_of
from flame_node_agent.devstack.hub.tokens import Identity

router = APIRouter()


@router.post("/token")
async def token(request: Request) -> JSONResponse:
    """Grant a token. The grants are those of the release; bodies are JSON, as flame-hub-client sends them."""
    hub = hub_of(request)
    body = await json_body(request)
    grant = _text(body, "grant_type")
    if grant not in hub.profile.grants:
        raise Refusal(400, "The grant type is not supported.", code="unsupported_token_grant_type")
    if grant == "refresh_token":
        identity = hub.tokens.identify_refresh(_text(body, "refresh_token"))
    else:
        identity = await _log_in(hub, grant, body)
    refreshable = grant in {"password", "refresh_token"}
    return JSONResponse(hub.tokens.grant(identity, refreshable=refreshable))


async def json_body(request: Request) -> Any:
    """The request's JSON body; a 400 if it is none."""
    try:
        return await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise bad_request("The request body is no valid JSON.") from None


async def _log_in(hub: Hub, grant: str, body: Any) -> Identity:
    entity, column, name, secret = {
        "password": (USER, "name", "username", "password"),
        "robot_credentials": (ROBOT, "id", "id", "secret"),
        "client_credentials": (CLIENT, "id", "client_id", "client_secret"),
    }[grant]
    wanted, given = _text(body, name), _text(body, secret)

    def look(connection: sqlite3.Connection) -> records.Row | None:
        return records.find(connection, entity, column, wanted)

    account = await hub.database.read(look)
    known = (account or {}).get("password" if entity is USER else "secret") or ""
    if (
        account is None
        or not account["active"]
        or not known
        or not hmac.compare_digest(known.encode(), given.encode())
    ):
        raise _wrong_credentials(hub, entity)
    return Identity(type=entity.name, id=account["id"], realm_id=account["realm_id"])


def _wrong_credentials(hub: Hub, entity: Entity) -> Refusal:
    if entity is CLIENT and hub.profile.bad_client_status == 401:
        return Refusal(401, "Client authentication failed.", code="invalid_client")
    return Refusal(400, f"The {entity.name} credentials are invalid.", code="invalid_credentials")


def _text(body: Any, name: str) -> str:
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, str) or not value:
        raise Refusal(400, f"The parameter {name} is missing.", code="invalid_request")
    return value
