"""What the core service has beside its records: commands to an analysis."""

from __future__ import annotations

import sqlite3

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from flame_node_agent.devstack.hub import records, rendering
from flame_node_agent.devstack.hub.entities import ANALYSIS
from flame_node_agent.devstack.hub.records import Row
from flame_node_agent.devstack.hub.refusals import bad_request
from flame_node_agent.devstack.hub.routes_auth import json_body
from flame_node_agent.devstack.hub.routes_records import existing
from flame_node_agent.devstack.hub.state import hub_of, identify

router = APIRouter(dependencies=[Depends(identify)])

_LOCKING = {"configurationLock": True, "configurationUnlock": False}


@router.post("/analyses/{analysis_id}/command")
async def command(analysis_id: str, request: Request) -> Response:
    """``configurationLock`` and ``configurationUnlock``; nothing is built or run here."""
    hub = hub_of(request)
    body = await json_body(request)
    lock = _LOCKING.get(str(body.get("command"))) if isinstance(body, dict) else None
    if lock is None:
        raise bad_request("Invalid command.")

    def apply(connection: sqlite3.Connection) -> Row:
        row = existing(connection, hub, ANALYSIS, analysis_id)
        return records.update(connection, ANALYSIS, row["id"], {"configuration_locked": lock}) or row

    row = await hub.database.write(apply)
    return JSONResponse(rendering.mutated(hub.profile, rendering.render(ANALYSIS, hub.profile, row)), 202)
