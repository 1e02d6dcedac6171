"""The interface as it is described: to programs as upstream does, to people without the internet."""

from __future__ import annotations

import json
import re
from importlib.metadata import metadata
from typing import Any

import pytest

from flame_node_agent.results.docs_ui import as_openapi_3_0
from tests.unit.results.conftest import Endpoint

OPERATIONS = {
    ("put", "/final/"): ("putFinalResult", ["final"]),
    ("put", "/final/localdp"): ("putFinalResultWithLocalDP", ["final"]),
    ("get", "/uploads/{upload_id}"): ("getUpload", ["final"]),
    ("put", "/intermediate/"): ("putIntermediateResult", ["intermediate"]),
    ("get", "/intermediate/{object_id}"): ("getIntermediateResult", ["intermediate"]),
    ("put", "/local/"): ("putLocalResult", ["local"]),
    ("delete", "/local/"): ("deleteLocalResults", ["local"]),
    ("get", "/local/tags"): ("getProjectTags", ["local"]),
    ("post", "/local/tags"): ("tagObject", ["local"]),
    ("get", "/local/tags/{tag_name}"): ("getTaggedResults", ["local"]),
    ("put", "/local/upload"): ("uploadLocalFile", ["local"]),
    ("get", "/local/{object_id}"): ("getLocalResult", ["local"]),
    ("get", "/healthz"): ("getHealth", None),
    ("get", "/readyz"): ("getReadiness", None),
    ("get", "/metrics"): ("getMetrics", None),
}


@pytest.fixture
async def document(endpoint: Endpoint) -> dict[str, Any]:
    answer = await endpoint.client.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_service_describes_itself_as_upstream_does(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    package = metadata("flame-node-agent")
    assert document["info"] == {
        "title": "FLAME Node Result Service",
        "summary": package["Summary"],
        "description": package.json["description"],
        "version": package["Version"],
        "license": {
            "name": "Apache 2.0",
            "identifier": "Apache-2.0",
            "url": "https://www.apache.org/licenses/LICENSE-2.0.html",
        },
    }
    assert document["tags"] == [
        {"name": "final", "description": "Upload final results to FLAME Hub"},
        {"name": "intermediate", "description": "Upload intermediate results to FLAME Hub"},
        {"name": "local", "description": "Upload intermediate results to local storage"},
    ]


def test_operations_have_the_ids_and_tags_of_upstream(document: dict[str, Any]) -> None:
    described = {
        (method, path): (operation["operationId"], operation.get("tags"))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert described == OPERATIONS


def test_bearer_token_is_the_security_scheme(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"] == {"HTTPBearer": {"type": "http", "scheme": "bearer"}}
    for method, path in OPERATIONS:
        expected = None if path in {"/healthz", "/readyz", "/metrics"} else [{"HTTPBearer": []}]
        assert document["paths"][path][method].get("security") == expected


def test_bodies_have_the_names_and_fields_of_upstream(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    fields = {
        name: (list(schema["properties"]), schema["required"], schema["title"])
        for name, schema in schemas.items()
        if name.startswith("Body_")
    }
    assert fields == {
        "Body_putFinalResult": (["file"], ["file"], "Body_putFinalResult"),
        "Body_putFinalResultWithLocalDP": (
            ["file", "epsilon", "sensitivity"],
            ["file", "epsilon", "sensitivity"],
            "Body_putFinalResultWithLocalDP",
        ),
        "Body_putIntermediateResult": (["file", "remote_node_id"], ["file"], "Body_putIntermediateResult"),
        "Body_putLocalResult": (["file", "tag"], ["file"], "Body_putLocalResult"),
    }
    for path, name in (
        ("/final/", "Body_putFinalResult"),
        ("/final/localdp", "Body_putFinalResultWithLocalDP"),
        ("/intermediate/", "Body_putIntermediateResult"),
        ("/local/", "Body_putLocalResult"),
    ):
        assert document["paths"][path]["put"]["requestBody"] == {
            "required": True,
            "content": {"multipart/form-data": {"schema": {"$ref": f"#/components/schemas/{name}"}}},
        }


def test_answers_have_the_names_of_upstream(document: dict[str, Any]) -> None:
    assert {
        "IntermediateUploadResponse",
        "LocalUploadResponse",
        "LocalTag",
        "LocalTagListResponse",
        "LocalTaggedResult",
        "LocalTaggedResultListResponse",
        "HTTPValidationError",
        "ValidationError",
    } <= set(document["components"]["schemas"])
    url = document["components"]["schemas"]["LocalUploadResponse"]["properties"]["url"]
    assert url == {"type": "string", "format": "uri", "minLength": 1, "maxLength": 2083, "title": "Url"}


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)):
        assert name in document["components"]["schemas"]


def test_every_route_with_a_token_documents_its_refusals(document: dict[str, Any]) -> None:
    for method, path in OPERATIONS:
        responses = document["paths"][path][method]["responses"]
        if path not in {"/healthz", "/readyz", "/metrics"}:
            assert {"403", "502", "503"} <= set(responses)
        if method == "put" and path != "/local/upload":
            assert {"400", "404", "413", "422"} <= set(responses)


async def test_swagger_ui_needs_nothing_from_elsewhere(endpoint: Endpoint) -> None:
    for path in ("/docs", "/docs/"):
        page = (await endpoint.client.get(path)).text
        addresses = re.findall(r"""(?:src|href)="([^"]+)"|url: '([^']+)'""", page)
        found = [one or other for one, other in addresses]
        assert len(found) == 4
        for address in found:
            assert address.startswith("/docs/")
            answer = await endpoint.client.get(address)
            assert answer.status_code == 200
            assert answer.content
    assert "//" not in re.sub(r"<!--.*?-->", "", page).replace("window.location.origin + '/", "")


@pytest.mark.parametrize("name", ["index.html", "..%2F__init__.py", "swagger-ui.css.map", "%2e%2e", "x"])
async def test_other_files_beside_the_swagger_ui_are_not_served(endpoint: Endpoint, name: str) -> None:
    answer = await endpoint.client.get(f"/docs/assets/{name}")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


async def test_document_for_the_swagger_ui_is_openapi_3_0(
    endpoint: Endpoint, document: dict[str, Any]
) -> None:
    older = (await endpoint.client.get("/docs/openapi.json")).json()
    assert older["openapi"] == "3.0.3"
    assert "summary" not in older["info"]
    assert "identifier" not in older["info"]["license"]
    text = json.dumps(older)
    assert '"null"' not in text
    assert set(older["paths"]) == set(document["paths"])
    # The document for programs is not touched by this.
    assert (await endpoint.client.get("/openapi.json")).json() == document
    assert '"null"' in json.dumps(document)


def test_optional_values_are_nullable_in_openapi_3_0() -> None:
    optional = {"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}], "title": "A"}
    assert as_openapi_3_0(optional) == {"nullable": True, "type": "string", "format": "uuid", "title": "A"}
    either = {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]}
    assert as_openapi_3_0([either]) == [
        {"nullable": True, "anyOf": [{"type": "string"}, {"type": "integer"}]}
    ]
    assert as_openapi_3_0({"exclusiveMinimum": 0}) == {"minimum": 0, "exclusiveMinimum": True}
    assert as_openapi_3_0({"anyOf": [{"type": "string"}, {"type": "integer"}]}) == {
        "anyOf": [{"type": "string"}, {"type": "integer"}]
    }
