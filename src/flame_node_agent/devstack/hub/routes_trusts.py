"""The routes under ``/api`` that a trust calls, in both their generations (FLIP hub, 2.2).

Current routes know the trust by its key alone. Those of older hubs name it as well, and answer with less.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from flame_node_agent import __version__
from flame_node_agent.devstack.hub import trusts
from flame_node_agent.devstack.hub.cohorts import CohortReport, save
from flame_node_agent.devstack.hub.heartbeats import HealthSnapshot
from flame_node_agent.devstack.hub.state import hub_of
from flame_node_agent.devstack.hub.task_side import NAMED
from flame_node_agent.devstack.hub.trust_tasks import sealed, settle, take_pending
from flame_node_agent.devstack.hub.trusts import Trust

RESULT_CHARACTERS = 10_000_000


class TaskReport(BaseModel):
    """What became of a task."""

    success: bool
    result: Annotated[str, Field(max_length=RESULT_CHARACTERS)] | None = None


def api_routers(routes: str) -> tuple[APIRouter, APIRouter]:
    """The routes that both generations have, and those of one."""
    return _both, _named if routes == NAMED else _current


async def _caller(request: Request) -> Trust:
    hub = hub_of(request)
    key = request.headers.get(hub.task_side.options.key_header)
    return await hub.database.read(lambda connection: trusts.authenticate(connection, key))


async def _named_caller(trust_name: str, caller: Annotated[Trust, Depends(_caller)]) -> Trust:
    if caller.name != trust_name:
        raise HTTPException(403, f"Trust '{caller.name}' is not authorised to act as '{trust_name}'")
    return caller


Caller = Annotated[Trust, Depends(_caller)]
NamedCaller = Annotated[Trust, Depends(_named_caller)]

_both, _current, _named = APIRouter(), APIRouter(), APIRouter()


@_both.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok", "message": "flip is running"}


@_both.get("/trust/health")
async def trust_health(request: Request) -> list[dict[str, Any]]:
    known = await hub_of(request).database.read(trusts.online)
    if not known:
        raise HTTPException(404, "No trusts found")
    return known


@_both.post("/cohort/results")
async def cohort_results(request: Request, report: CohortReport, caller: Caller) -> dict[str, str]:
    await hub_of(request).database.write(lambda connection: save(connection, caller, report))
    return {"message": "Cohort results processed successfully"}


@_current.get("/tasks/pending")
async def pending(request: Request, caller: Caller) -> dict[str, Any]:
    return {**caller.identity(), "tasks": await _pending(request, caller)}


@_current.post("/tasks/{task_id}/result")
async def result(request: Request, task_id: UUID, report: TaskReport, caller: Caller) -> dict[str, str]:
    return {**caller.identity(), **await _take_result(request, caller, task_id, report)}


@_current.post("/trust/heartbeat")
async def heartbeat(
    request: Request, caller: Caller, snapshot: HealthSnapshot | None = None
) -> dict[str, str]:
    said = snapshot.model_dump_json(exclude={"collected_at"}) if snapshot else None
    return {
        **caller.identity(),
        **await _beat(request, caller, said),
        "hub_version": f"devhub-{__version__}",
        "aes_key_fingerprint": hub_of(request).task_side.keyring.shared_fingerprint,
    }


@_named.get("/tasks/{trust_name}/pending")
async def named_pending(request: Request, caller: NamedCaller) -> list[dict[str, str]]:
    return await _pending(request, caller)


@_named.post("/tasks/{trust_name}/{task_id}/result")
async def named_result(
    request: Request, task_id: UUID, report: TaskReport, caller: NamedCaller
) -> dict[str, str]:
    return await _take_result(request, caller, task_id, report)


@_named.post("/trust/{trust_name}/heartbeat")
async def named_heartbeat(request: Request, caller: NamedCaller) -> dict[str, str]:
    return await _beat(request, caller, None)


async def _pending(request: Request, caller: Trust) -> list[dict[str, str]]:
    hub = hub_of(request)
    hub.task_side.limits.count("pending", caller.id)
    rows = await hub.database.write(lambda connection: take_pending(connection, caller))
    return [sealed(row, hub.task_side.seal) for row in rows]


async def _take_result(request: Request, caller: Trust, task_id: UUID, report: TaskReport) -> dict[str, str]:
    hub = hub_of(request)
    hub.task_side.limits.count("result", caller.id)
    await hub.database.write(
        lambda connection: settle(connection, caller, str(task_id), report.success, report.result)
    )
    return {"message": f"Task {task_id} result recorded"}


async def _beat(request: Request, caller: Trust, said: str | None) -> dict[str, str]:
    hub = hub_of(request)
    hub.task_side.limits.count("heartbeat", caller.id)
    await hub.database.write(lambda connection: trusts.beat(connection, caller, said))
    return {"message": "Heartbeat recorded"}
