"""/openapi.json, /docs and /redoc: the interface described to people, without a byte from the internet.

The Swagger UI that the package ``swagger-ui-bundle`` ships reads OpenAPI 3.0. So it is shown the same
document with the few constructs of 3.1 spelled the older way; programs get the document as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse
from swagger_ui_bundle import swagger_ui_path

from flame_node_agent.errors import Refused

ASSETS = frozenset({"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"})
_ONE_DAY = {"Cache-Control": "public, max-age=86400"}


def add_docs(app: FastAPI) -> None:
    """Mount the documentation."""
    pages = _Pages(app)
    for path, endpoint in (
        ("/openapi.json", pages.document),
        ("/docs", pages.swagger_ui),
        ("/docs/openapi.json", pages.older_document),
        ("/docs/assets/{name}", pages.asset),
        ("/redoc", pages.redoc),
    ):
        for spelling in (path, f"{path}/"):
            app.add_api_route(spelling, endpoint, methods=["GET"], include_in_schema=False)


class _Pages:
    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def document(self) -> JSONResponse:
        return JSONResponse(self._app.openapi())

    async def older_document(self) -> JSONResponse:
        document = as_openapi_3_0(self._app.openapi())
        document["info"].pop("summary", None)
        document["info"].get("license", {}).pop("identifier", None)
        return JSONResponse({**document, "openapi": "3.0.3"})

    async def swagger_ui(self, request: Request) -> HTMLResponse:
        docs = f"{request.scope.get('root_path', '')}/docs"
        return get_swagger_ui_html(
            openapi_url=f"{docs}/openapi.json",
            title=f"{self._app.title} - Swagger UI",
            swagger_js_url=f"{docs}/assets/swagger-ui-bundle.js",
            swagger_css_url=f"{docs}/assets/swagger-ui.css",
            swagger_favicon_url=f"{docs}/assets/favicon-32x32.png",
        )

    async def asset(self, name: str) -> FileResponse:
        if name not in ASSETS:
            raise Refused(404, "Not Found")
        return FileResponse(Path(str(swagger_ui_path)) / name, headers=_ONE_DAY)

    async def redoc(self, request: Request) -> RedirectResponse:
        return RedirectResponse(f"{request.scope.get('root_path', '')}/docs")


def as_openapi_3_0(node: Any) -> Any:
    """Copy a document, with "or null" as 3.0's ``nullable`` and exclusive minima as its flag."""
    if isinstance(node, list):
        return [as_openapi_3_0(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    copy = {key: as_openapi_3_0(value) for key, value in node.items()}
    choices = copy.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        others = [choice for choice in choices if choice != {"type": "null"}]
        del copy["anyOf"]
        copy |= {"nullable": True} | (others[0] if len(others) == 1 else {"anyOf": others})
    if isinstance(copy.get("exclusiveMinimum"), int | float) and copy["exclusiveMinimum"] is not True:
        copy |= {"minimum": copy["exclusiveMinimum"], "exclusiveMinimum": True}
    return copy
