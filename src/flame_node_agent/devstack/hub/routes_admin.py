"""The admin API: what tests need to see and to break. Only the machine itself may call it."""

from __future__ import annotations

import sqlite3
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict

from flame_node_agent.devstack.hub import records
from flame_node_agent.devstack.hub.analyses import add_analysis
from flame_node_agent.devstack.hub.entities import ANALYSIS_BUCKET, PROJECT
from flame_node_agent.devstack.hub.faults import FaultOrder
from flame_node_agent.devstack.hub.loopback import local_only
from flame_node_agent.devstack.hub.refusals import not_found
from flame_node_agent.devstack.hub.state import hub_of

_UPLOADS = """
SELECT f.id, f.bucket_id AS bucket, b.analysis_id, b.type AS kind, f.meant_path AS path, f.path AS stored_path, f.size,
       f.sha256, f.created_at,
       EXISTS (SELECT 1 FROM analysis_bucket_files l WHERE l.bucket_file_id = f.id) AS linked
FROM bucket_files f LEFT JOIN analysis_buckets b ON b.bucket_id = f.bucket_id ORDER BY f.rowid
"""
_LINKS = """
SELECT l.id, l.bucket_file_id, l.analysis_bucket_id, l.analysis_id, b.type AS kind, l.path, l.root, l.created_at
FROM analysis_bucket_files l LEFT JOIN analysis_buckets b ON b.id = l.analysis_bucket_id ORDER BY l.rowid
"""


class AnalysisOrder(BaseModel):
    """``POST /admin/analyses``: into a project (made if it does not exist), or into a new one."""

    model_config = ConfigDict(extra="forbid")

    project_id: UUID | None = None
    analysis_id: UUID | None = None
    name: str | None = None


router = APIRouter(dependencies=[Depends(local_only)])


@router.get("/uploads")
async def uploads(request: Request) -> list[dict[str, Any]]:
    """Every file the hub holds. ``path`` is the name as the sender meant it, ``stored_path`` as the API shows it."""
    rows = await _rows(request, _UPLOADS)
    return [{**row, "linked": bool(row["linked"])} for row in rows]


@router.get("/links")
async def links(request: Request) -> list[dict[str, Any]]:
    """Every analysis bucket file, so that a double link shows."""
    rows = await _rows(request, _LINKS)
    return [{**row, "root": bool(row["root"])} for row in rows]


@router.post("/analyses", status_code=201)
async def new_analysis(request: Request, order: AnalysisOrder | None = None) -> dict[str, Any]:
    """Make an analysis; ``buckets`` are the storage buckets by type."""
    order = order or AnalysisOrder()
    project_id = str(order.project_id) if order.project_id else records.new_id()

    def create(connection: sqlite3.Connection) -> dict[str, Any]:
        user = next(iter(connection.execute("SELECT id, realm_id FROM users ORDER BY rowid LIMIT 1")))
        if records.get(connection, PROJECT, project_id) is None:
            named = {"id": project_id, "name": f"project-{project_id}", "realm_id": user["realm_id"]}
            records.insert(connection, PROJECT, {**named, "user_id": user["id"]})
        values = {
            "id": str(order.analysis_id) if order.analysis_id else None,
            "name": order.name,
            "project_id": project_id,
            "user_id": user["id"],
        }
        analysis = add_analysis(connection, values)
        buckets = records.find_all(connection, ANALYSIS_BUCKET, "analysis_id", analysis["id"])
        return {
            "analysis_id": analysis["id"],
            "project_id": project_id,
            "buckets": {bucket["type"]: bucket["bucket_id"] for bucket in buckets},
            "analysis_buckets": {bucket["type"]: bucket["id"] for bucket in buckets},
        }

    return await hub_of(request).database.write(create)


@router.post("/faults", status_code=201)
async def new_fault(request: Request, order: FaultOrder) -> dict[str, Any]:
    return hub_of(request).faults.add(order).describe()


@router.get("/faults")
async def faults(request: Request) -> list[dict[str, Any]]:
    return hub_of(request).faults.list()


@router.delete("/faults")
async def clear_faults(request: Request) -> list[dict[str, Any]]:
    """Remove all faults; answers with the empty list that is left."""
    hub = hub_of(request)
    hub.faults.clear()
    return hub.faults.list()


@router.delete("/faults/{fault_id}")
async def remove_fault(request: Request, fault_id: str) -> list[dict[str, Any]]:
    hub = hub_of(request)
    if not hub.faults.remove(fault_id):
        raise not_found("fault")
    return hub.faults.list()


async def _rows(request: Request, sql: str) -> list[dict[str, Any]]:
    def select(connection: sqlite3.Connection) -> list[dict[str, Any]]:
        return [dict(row) for row in connection.execute(sql)]

    return await hub_of(request).database.read(select)
