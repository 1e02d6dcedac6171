"""All routes of the result endpoint: one table.

Each is served with and without a slash at its end, directly: the FLAME Node Result Service redirects to the
other spelling, and behind FLAME's nginx that redirect leads nowhere. Only the upstream spelling is
documented.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse

from flame_node_agent.config.settings import Settings
from flame_node_agent.results.final import FinalResults
from flame_node_agent.results.health import Health
from flame_node_agent.results.intermediate import IntermediateResults
from flame_node_agent.results.local import LocalResults
from flame_node_agent.results.localdp import PrivateFinalResults
from flame_node_agent.results.openapi import described, form_body, stream
from flame_node_agent.results.ports import ResultDependencies
from flame_node_agent.results.projects import Projects
from flame_node_agent.results.tags import Tags
from flame_node_agent.results.uploads import Uploads
from flame_node_agent.wire.results import (
    IntermediateUploadResponse,
    LocalTaggedResult,
    LocalTaggedResultListResponse,
    LocalTagListResponse,
    LocalUploadResponse,
    UploadStateResponse,
)

Endpoint = Callable[..., Awaitable[Any]]

AUTHENTICATED = (403, 502, 503)
"""What every route that wants a token may answer: bad token, issuer or hub unwell, a store away."""


def add_routes(app: FastAPI, deps: ResultDependencies, settings: Settings) -> None:
    """Mount everything but the documentation, the busiest routes first: they are searched in this order."""
    projects = Projects(deps.knowledge, deadline=settings.results.lookup_deadline_seconds)
    intermediate = IntermediateResults(deps, settings)
    _add_local(
        app, LocalResults(deps, settings, projects=projects, intermediate=intermediate), Tags(deps, projects)
    )
    _add_final(app, FinalResults(deps, settings), settings, Uploads(deps.outbox))
    _add_intermediate(app, intermediate)
    add_health(app, Health(deps.readiness))


def _add_final(app: FastAPI, final: FinalResults, settings: Settings, uploads: Uploads) -> None:
    _add(
        app,
        "PUT",
        "/final/",
        final.put_final,
        "putFinalResult",
        tag="final",
        summary="Upload file as final result to Hub",
        status_code=204,
        statuses=(*AUTHENTICATED, 400, 404, 413, 422),
        openapi_extra=form_body("Body_putFinalResult"),
    )
    _add(
        app,
        "PUT",
        "/final/localdp",
        PrivateFinalResults(final, settings).put_final_with_local_dp,
        "putFinalResultWithLocalDP",
        tag="final",
        summary="Upload final result with Local DP to Hub",
        status_code=204,
        statuses=(*AUTHENTICATED, 400, 404, 413, 422),
        openapi_extra=form_body("Body_putFinalResultWithLocalDP"),
    )
    _add(
        app,
        "GET",
        "/uploads/{upload_id}",
        uploads.get_upload,
        "getUpload",
        tag="final",
        summary="Get state of an upload to Hub",
        response_model=UploadStateResponse,
        statuses=(*AUTHENTICATED, 404),
    )


def _add_intermediate(app: FastAPI, intermediate: IntermediateResults) -> None:
    _add(
        app,
        "PUT",
        "/intermediate/",
        intermediate.put_intermediate,
        "putIntermediateResult",
        tag="intermediate",
        summary="Upload file as intermediate result to Hub",
        response_model=IntermediateUploadResponse,
        statuses=(*AUTHENTICATED, 400, 404, 413, 422),
        openapi_extra=form_body("Body_putIntermediateResult"),
    )
    _add(
        app,
        "GET",
        "/intermediate/{object_id}",
        intermediate.get_intermediate,
        "getIntermediateResult",
        tag="intermediate",
        summary="Get intermediate result as file to Hub",
        statuses=(*AUTHENTICATED, 400, 404),
        content=stream(),
    )


def _add_local(app: FastAPI, local: LocalResults, tags: Tags) -> None:
    _add(
        app,
        "PUT",
        "/local/",
        local.put_local,
        "putLocalResult",
        tag="local",
        summary="Upload file as intermediate result to local storage",
        response_model=LocalUploadResponse,
        statuses=(*AUTHENTICATED, 400, 404, 413, 422),
        openapi_extra=form_body("Body_putLocalResult"),
    )
    _add(
        app,
        "DELETE",
        "/local/",
        local.delete_local,
        "deleteLocalResults",
        tag="local",
        summary="Delete all local results and database entries related to the specified project.",
        statuses=(*AUTHENTICATED, 400),
    )
    _add(
        app,
        "GET",
        "/local/tags",
        tags.get_tags,
        "getProjectTags",
        tag="local",
        summary="Get tags for a specific project",
        response_model=LocalTagListResponse,
        statuses=(*AUTHENTICATED, 404),
    )
    _add(
        app,
        "POST",
        "/local/tags",
        tags.tag_object,
        "tagObject",
        tag="local",
        summary="Tag an existing object",
        response_model=LocalTaggedResult,
        statuses=(*AUTHENTICATED, 400, 404),
    )
    _add(
        app,
        "GET",
        "/local/tags/{tag_name}",
        tags.get_tagged_results,
        "getTaggedResults",
        tag="local",
        summary="Get results linked to a specific tag",
        response_model=LocalTaggedResultListResponse,
        statuses=(*AUTHENTICATED, 404),
    )
    _add(
        app,
        "PUT",
        "/local/upload",
        local.upload_local,
        "uploadLocalFile",
        tag="local",
        summary="Upload a local file directly to the Hub",
        response_model=IntermediateUploadResponse,
        statuses=(*AUTHENTICATED, 400, 404, 413),
    )
    _add(
        app,
        "GET",
        "/local/{object_id}",
        local.get_local,
        "getLocalResult",
        tag="local",
        summary="Get intermediate result as file from local storage",
        statuses=(*AUTHENTICATED, 404),
        content=stream(),
    )


def add_health(app: FastAPI, health: Health) -> None:
    """Mount what needs no token and no analysis."""
    _add(app, "GET", "/healthz", health.get_health, "getHealth", summary="Check service readiness")
    _add(
        app,
        "GET",
        "/readyz",
        health.get_readiness,
        "getReadiness",
        summary="Check whether everything is there that work is accepted with",
        responses={503: {"description": "Something is missing"}},
    )
    _add(
        app,
        "GET",
        "/metrics",
        health.get_metrics,
        "getMetrics",
        summary="Get metrics in Prometheus' text format",
        content={"content": {"text/plain": {"schema": {"type": "string"}}}},
    )


def _add(
    app: FastAPI,
    method: str,
    path: str,
    endpoint: Endpoint,
    operation_id: str,
    *,
    summary: str,
    tag: str | None = None,
    response_model: type[Any] | None = None,
    status_code: int = 200,
    statuses: Iterable[int] = (),
    responses: dict[int | str, Any] | None = None,
    content: dict[str, Any] | None = None,
    openapi_extra: dict[str, Any] | None = None,
) -> None:
    documented: dict[int | str, Any] = {**described(statuses), **(responses or {})}
    if content is not None:
        documented[status_code] = {"description": "Successful Response", **content}
    other = path.removesuffix("/") if path.endswith("/") else f"{path}/"
    for spelling in (path, other):
        app.add_api_route(
            spelling,
            endpoint,
            methods=[method],
            operation_id=operation_id,
            summary=summary,
            tags=[tag] if tag else None,
            response_model=response_model,
            # FastAPI would add JSON to the types of an answer that is a file.
            response_class=JSONResponse if content is None else Response,
            status_code=status_code,
            responses=documented,
            openapi_extra=openapi_extra,
            include_in_schema=spelling == path,
        )
