"""The five routes that every kind of record has: list, get, create, change, delete."""

from __future__ import annotations

import sqlite3
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from flame_node_agent.devstack.hub import analyses, lifecycle, records, rendering
from flame_node_agent.devstack.hub.fields import Catalogue, Entity
from flame_node_agent.devstack.hub.payloads import read_payload
from flame_node_agent.devstack.hub.query import parse_query, parse_uuid
from flame_node_agent.devstack.hub.records import Row
from flame_node_agent.devstack.hub.refusals import Refusal, not_found
from flame_node_agent.devstack.hub.routes_auth import json_body
from flame_node_agent.devstack.hub.state import Hub, hub_of, identify, identity_of


def records_router(catalogue: Catalogue) -> APIRouter:
    """The routes for all records of one service. 200 for reading, 201 for creating, 202 for changing and deleting."""
    router = APIRouter(dependencies=[Depends(identify)])

    def entity_of(route: str) -> Entity:
        entity = catalogue.by_route.get(route)
        if entity is None:
            raise not_found("route")
        return entity

    @router.get("/{route}")
    async def find_many(route: str, request: Request) -> Response:
        entity, hub = entity_of(route), hub_of(request)
        query = parse_query(entity, hub.profile, request.query_params.multi_items())

        def search(connection: sqlite3.Connection) -> rendering.Json:
            total, rows = records.search(connection, entity, query)
            page = [
                rendering.render_with_relations(connection, entity, hub.profile, row, query) for row in rows
            ]
            return rendering.listed(entity, hub.profile, page, total, query)

        return JSONResponse(await hub.database.read(search))

    @router.get("/{route}/{record_id}")
    async def find_one(route: str, record_id: str, request: Request) -> Response:
        entity, hub = entity_of(route), hub_of(request)
        query = parse_query(entity, hub.profile, request.query_params.multi_items())

        def get(connection: sqlite3.Connection) -> rendering.Json:
            row = existing(connection, hub, entity, record_id)
            return rendering.render_with_relations(connection, entity, hub.profile, row, query)

        return JSONResponse(rendering.single(entity, hub.profile, await hub.database.read(get)))

    @router.post("/{route}")
    async def create(route: str, request: Request) -> Response:
        entity, hub, identity = entity_of(route), hub_of(request), identity_of(request)
        _check_writable(entity)
        values = read_payload(entity, hub.profile, await json_body(request), creating=True)

        def insert(connection: sqlite3.Connection) -> Row:
            return lifecycle.create(connection, entity, hub.profile, identity, values)

        return _mutated(hub, entity, await hub.database.write(insert), 201)

    @router.post("/{route}/{record_id}")
    async def change(route: str, record_id: str, request: Request) -> Response:
        entity, hub = entity_of(route), hub_of(request)
        _check_writable(entity)
        values = read_payload(entity, hub.profile, await json_body(request), creating=False)

        def update(connection: sqlite3.Connection) -> Row:
            row = existing(connection, hub, entity, record_id)
            return lifecycle.change(connection, entity, hub.profile, row["id"], values) or row

        return _mutated(hub, entity, await hub.database.write(update), 202)

    @router.delete("/{route}/{record_id}")
    async def delete(route: str, record_id: str, request: Request) -> Response:
        entity, hub = entity_of(route), hub_of(request)

        def remove(connection: sqlite3.Connection) -> tuple[Row, list[str]]:
            row = existing(connection, hub, entity, record_id)
            return row, analyses.remove(connection, entity, row)

        row, files = await hub.database.write(remove)
        await hub.files.discard(files)
        return _mutated(hub, entity, row, 202)

    return router


def existing(connection: sqlite3.Connection, hub: Hub, entity: Entity, record_id: str) -> Row:
    """The record, or a 404. An id that is no UUID is a 400, except where 0.8.21 also takes a bucket's name."""
    try:
        row = records.get(connection, entity, parse_uuid(record_id))
    except Refusal:
        if not (entity.by_name and hub.profile.bucket_by_name):
            raise
        row = records.find(connection, entity, "name", record_id)
    if row is None:
        raise not_found(entity.what)
    return row


def _check_writable(entity: Entity) -> None:
    if not entity.writable:
        raise Refusal(405, "Method Not Allowed")


def _mutated(hub: Hub, entity: Entity, row: dict[str, Any], status: int) -> Response:
    return JSONResponse(rendering.mutated(hub.profile, rendering.render(entity, hub.profile, row)), status)
