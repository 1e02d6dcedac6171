"""The OpenAPI document: that of the FLAME Node Result Service, with what this service does besides.

Bodies are read as streams and not declared to FastAPI, so their schemas are written here, under the names and
in the form in which FastAPI would have derived them.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from importlib.metadata import metadata
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from flame_node_agent.wire.results import Refusal

TITLE = "FLAME Node Result Service"
TAGS = [
    {"name": "final", "description": "Upload final results to FLAME Hub"},
    {"name": "intermediate", "description": "Upload intermediate results to FLAME Hub"},
    {"name": "local", "description": "Upload intermediate results to local storage"},
]
LICENSE = {
    "name": "Apache 2.0",
    "identifier": "Apache-2.0",
    "url": "https://www.apache.org/licenses/LICENSE-2.0.html",
}

_FILE = {"file": {"type": "string", "format": "binary", "title": "File"}}


def _optional_text(title: str) -> dict[str, Any]:
    return {"anyOf": [{"type": "string"}, {"type": "null"}], "title": title}


def _number(title: str) -> dict[str, Any]:
    return {"type": "number", "exclusiveMinimum": 0, "title": title}


_BODIES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "Body_putFinalResult": (_FILE, ["file"]),
    "Body_putFinalResultWithLocalDP": (
        {**_FILE, "epsilon": _number("Epsilon"), "sensitivity": _number("Sensitivity")},
        ["file", "epsilon", "sensitivity"],
    ),
    "Body_putIntermediateResult": (
        {**_FILE, "remote_node_id": _optional_text("Remote Node Id")},
        ["file"],
    ),
    "Body_putLocalResult": ({**_FILE, "tag": _optional_text("Tag")}, ["file"]),
}

_VALIDATION_ERROR = {"$ref": "#/components/schemas/HTTPValidationError"}
_DESCRIPTIONS = {
    400: "The request cannot be served as it is",
    403: "No valid token, or not allowed with it",
    404: "Nothing of that name is known",
    413: "The file is too large",
    422: "Validation Error",
    502: "The token issuer, the Hub or the object store answered something unexpected",
    503: "Something is away for the moment; `Retry-After` says when to try again",
}


def form_body(name: str) -> dict[str, Any]:
    """Describe a multipart body by the name of its schema."""
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def stream() -> dict[str, Any]:
    """Describe an answer whose content is a file, of the type that it was uploaded with."""
    return {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}


def described(statuses: Iterable[int]) -> dict[int | str, dict[str, Any]]:
    """Describe the refusals of a route."""
    return {status: _refusal(status) for status in sorted(statuses)}


def _refusal(status: int) -> dict[str, Any]:
    description = _DESCRIPTIONS.get(status, HTTPStatus(status).phrase)
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return {"description": description, "content": {"application/json": {"schema": _VALIDATION_ERROR}}}
    return {"description": description, "model": Refusal}


def application() -> FastAPI:
    """Make an application without routes that describes itself as upstream does: by its metadata and README."""
    package = metadata("flame-node-agent")
    return _Application(
        title=TITLE,
        summary=package["Summary"],
        description=str(package.json["description"]),
        version=package["Version"],
        license_info=LICENSE,
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )


class _Application(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """Generate the document, once."""
        if self.openapi_schema is None:
            document = get_openapi(
                title=self.title,
                version=self.version,
                openapi_version=self.openapi_version,
                summary=self.summary,
                description=self.description,
                routes=self.routes,
                tags=self.openapi_tags,
                license_info=self.license_info,
            )
            schemas = document["components"]["schemas"]
            for name, (properties, required) in _BODIES.items():
                schemas[name] = {
                    "properties": properties,
                    "type": "object",
                    "required": required,
                    "title": name,
                }
            document["components"]["schemas"] = dict(sorted(schemas.items()))
            self.openapi_schema = document
        return self.openapi_schema
