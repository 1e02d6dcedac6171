"""The admin API's part for FLIP's side: tasks to hand out, what came back, and the registration of trusts."""

from __future__ import annotations

import sqlite3
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from flame_node_agent.devstack.hub.cohorts import aggregate
from flame_node_agent.devstack.hub.loopback import local_only
from flame_node_agent.devstack.hub.refusals import Refusal
from flame_node_agent.devstack.hub.state import hub_of
from flame_node_agent.devstack.hub.trust_tasks import completed, newest, queue
from flame_node_agent.devstack.hub.trusts import register

_PENDING = {"status": "pending", "detail": "Results not yet available — trust responses pending"}


class TaskOrder(BaseModel):
    """``POST /admin/tasks``: a task for the first trust, or for the one that is named by ``trust_id``."""

    model_config = ConfigDict(extra="forbid")

    task_type: str
    payload: dict[str, Any]
    trust_id: UUID | None = None


class TrustOrder(BaseModel):
    """``POST /api/admin/trusts``."""

    name: str
    code: str
    region: str


task_router = APIRouter(dependencies=[Depends(local_only)])
trust_router = APIRouter(dependencies=[Depends(local_only)])


@task_router.post("/tasks", status_code=201)
async def new_task(request: Request, order: TaskOrder) -> dict[str, str]:
    """Queue a task; the hub adds the trust's id and the envelopes."""
    hub = hub_of(request)

    def create(connection: sqlite3.Connection) -> str:
        trust_id = str(order.trust_id) if order.trust_id else _first_trust(connection)
        payload = completed(order.task_type, order.payload, trust_id, hub.task_side.seal)
        try:
            return queue(connection, trust_id, order.task_type, payload)
        except sqlite3.IntegrityError:
            raise Refusal(404, f"There is no trust {trust_id}.") from None

    return {"id": await hub.database.write(create)}


@task_router.get("/tasks")
async def tasks(
    request: Request, limit: Annotated[int, Query(ge=1, le=100_000)] = 100
) -> list[dict[str, Any]]:
    """The newest tasks, newest first."""
    return await hub_of(request).database.read(lambda connection: newest(connection, limit))


@task_router.get("/cohort/{query_id}", response_model=None)
async def cohort(request: Request, query_id: UUID) -> dict[str, Any] | Response:
    """What all trusts have answered to a query, as FLIP's hub aggregates it; 202 while nobody has."""
    found = await hub_of(request).database.read(lambda connection: aggregate(connection, str(query_id)))
    return JSONResponse(_PENDING, 202) if found is None else found


@trust_router.post("/admin/trusts", status_code=201)
async def new_trust(request: Request, order: TrustOrder) -> dict[str, Any]:
    """Register a trust. Its keys are in this answer and nowhere else."""
    given = [text.strip() for text in (order.name, order.code, order.region)]
    if not all(given):
        raise HTTPException(400, "name, code and region must not be blank")
    return await hub_of(request).database.write(lambda connection: register(connection, *given))


def _first_trust(connection: sqlite3.Connection) -> str:
    row = connection.execute("SELECT id FROM trusts ORDER BY rowid LIMIT 1").fetchone()
    if row is None:
        raise Refusal(404, "There is no trust; register one with POST /api/admin/trusts.")
    return str(row["id"])
