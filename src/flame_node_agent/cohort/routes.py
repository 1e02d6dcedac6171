"""All routes of data-access-api: one table. Each is served with and without a slash at its end, without a redirect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader

from flame_node_agent.cohort.auth import AdminKey, InternalKey
from flame_node_agent.cohort.freezing import Freezing
from flame_node_agent.cohort.guarded_route import guarded
from flame_node_agent.cohort.health import Health
from flame_node_agent.cohort.ports import CohortDependencies
from flame_node_agent.cohort.row_level import RowLevel
from flame_node_agent.cohort.statistics_route import StatisticsRoute
from flame_node_agent.config.data_access import DataAccessSettings
from flame_node_agent.telemetry.readiness import Readiness
from flame_node_agent.wire.data_access import (
    AccessionIds,
    CohortRefusal,
    CohortStatisticsAnswer,
    Deleted,
    ServiceHealth,
    SnapshotFacts,
)

type Endpoint = Callable[..., Awaitable[Any]]

_ALWAYS = (400, 401, 408, 413, 422, 500, 503)
"""What every route that wants a key may answer."""

_DESCRIPTIONS = {
    400: "The project or the query cannot be used as it is",
    401: "No valid key of a service of this trust",
    403: "Not to be released, or not allowed with these keys",
    408: "The request has not come in time",
    413: "The request or the cohort is too large",
    500: "The query failed",
    503: "Something is away for the moment",
}


def add_routes(app: FastAPI, deps: CohortDependencies, settings: DataAccessSettings) -> None:
    """Mount everything but the documentation."""
    key = settings.trust_internal_service_key
    internal = InternalKey(
        settings.trust_internal_service_key_header, key.get_secret_value() if key is not None else None
    )
    admin = AdminKey(settings.cohort_admin_key_header, deps.keyring.shared_key_text)
    _add_reading(app, StatisticsRoute(deps), RowLevel(deps, settings), internal)
    _add_defining(app, Freezing(deps, settings), internal, admin)
    needs = {"omop_database": deps.engine.check, "state_database": deps.snapshots.check}
    _add_health(app, Health(Readiness(needs)))


def _add_reading(app: FastAPI, statistics: StatisticsRoute, rows: RowLevel, internal: InternalKey) -> None:
    router = APIRouter(route_class=guarded(internal.check), dependencies=[_documented(internal.header)])
    _add(
        router,
        "/cohort",
        statistics.statistics,
        "postCohortQuery",
        summary="Get the statistics of a cohort",
        response_model=CohortStatisticsAnswer,
        statuses=_ALWAYS,
    )
    _add(
        router,
        "/cohort/dataframe",
        rows.dataframe,
        "postDataframe",
        summary="Get the rows of the project's approved cohort",
        statuses=(*_ALWAYS, 403),
        content={"application/json": {"schema": _DATAFRAME}},
    )
    _add(
        router,
        "/cohort/accession-ids",
        rows.accession_ids,
        "postAccessionIds",
        summary="Get the imaging studies of the project's approved cohort",
        statuses=(*_ALWAYS, 403),
        content={"application/json": {"schema": AccessionIds.model_json_schema()}},
    )
    app.include_router(router)


def _add_defining(app: FastAPI, freezing: Freezing, internal: InternalKey, admin: AdminKey) -> None:
    router = APIRouter(
        route_class=guarded(internal.check, admin.check),
        dependencies=[_documented(internal.header), _documented(admin.header)],
    )
    _add(
        router,
        "/cohort/snapshot",
        freezing.create,
        "postSnapshot",
        summary="Freeze the cohort of an approved project",
        response_model=SnapshotFacts,
        statuses=(*_ALWAYS, 403),
    )
    _add(
        router,
        "/cohort/snapshot/delete",
        freezing.delete,
        "postSnapshotDelete",
        summary="Delete the frozen cohort of a project",
        response_model=Deleted,
        statuses=(*_ALWAYS, 403),
    )
    app.include_router(router)


def _add_health(app: FastAPI, health: Health) -> None:
    router = APIRouter()
    _add(
        router,
        "/health",
        health.get_health,
        "getHealth",
        method="GET",
        summary="Check that the service is running",
        response_model=ServiceHealth,
    )
    _add(
        router,
        "/readyz",
        health.get_readiness,
        "getReadiness",
        method="GET",
        summary="Check whether the databases are there",
        responses={503: {"description": "Something is missing"}},
    )
    _add(
        router,
        "/metrics",
        health.get_metrics,
        "getMetrics",
        method="GET",
        summary="Get metrics in Prometheus' text format",
        content={"text/plain": {"schema": {"type": "string"}}},
    )
    app.include_router(router)


_DATAFRAME = {
    "type": "object",
    "description": "The values of each column, by its name; all lists are of one length.",
    "additionalProperties": {"type": "array", "items": {}},
}


def _documented(header: str) -> Any:
    """Describe a key's header; it is looked at before FastAPI reads the request."""
    return Depends(APIKeyHeader(name=header, scheme_name=header, auto_error=False))


def _add(
    router: APIRouter,
    path: str,
    endpoint: Endpoint,
    operation_id: str,
    *,
    summary: str,
    method: str = "POST",
    response_model: type[Any] | None = None,
    statuses: Iterable[int] = (),
    responses: dict[int | str, Any] | None = None,
    content: dict[str, Any] | None = None,
) -> None:
    documented: dict[int | str, Any] = {status: _refusal(status) for status in sorted(statuses)}
    documented |= responses or {}
    if content is not None:
        documented[200] = {"description": "Successful Response", "content": content}
    for spelling in (path, f"{path}/"):
        router.add_api_route(
            spelling,
            endpoint,
            methods=[method],
            operation_id=operation_id,
            summary=summary,
            response_model=response_model,
            # FastAPI would add a schema of its own to an answer that is described here.
            response_class=JSONResponse if content is None else Response,
            responses=documented,
            include_in_schema=spelling == path,
        )


def _refusal(status: int) -> dict[str, Any]:
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        schema = {"$ref": "#/components/schemas/HTTPValidationError"}
        return {"description": "Validation Error", "content": {"application/json": {"schema": schema}}}
    return {"description": _DESCRIPTIONS[status], "model": CohortRefusal}
