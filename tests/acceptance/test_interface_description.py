"""The running agent against its own OpenAPI document, with requests made up by schemathesis from the document."""

from __future__ import annotations

from functools import cache
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema

from tests.acceptance.conftest import Analysis
from tests.acceptance.running_agents import RunningAgent

EXAMPLES = 25
STATUS = [not_a_server_error, status_code_conformance, response_headers_conformance]
CONTENT = [content_type_conformance, response_schema_conformance]
CHECKS = [*STATUS, *CONTENT, negative_data_rejection, ignored_auth]
FORMS = {"putFinalResult", "putFinalResultWithLocalDP", "putIntermediateResult", "putLocalResult"}
"""Every value of a form is text (RFC 7578): a "number" where text is wanted arrives as good text, and is accepted."""
OPERATIONS = {
    "putFinalResult",
    "putFinalResultWithLocalDP",
    "getUpload",
    "putIntermediateResult",
    "getIntermediateResult",
    "putLocalResult",
    "deleteLocalResults",
    "getProjectTags",
    "tagObject",
    "getTaggedResults",
    "uploadLocalFile",
    "getLocalResult",
    "getHealth",
    "getReadiness",
    "getMetrics",
}
"""The FLAME Node Result Service's, those of its successor that are served, and this service's own."""

HELD = {"object_id", "upload_id"}
"""Parameters that are also tried with the id of something that is there."""

WITHOUT_INPUT = {"getHealth", "getReadiness", "getMetrics"}
CONVERSATIONS = [
    (operation_id, mode)
    for operation_id in sorted(OPERATIONS)
    for mode in GenerationMode
    if not (mode is GenerationMode.NEGATIVE and operation_id in WITHOUT_INPUT)
]


@cache
def described(url: str) -> OpenApiSchema:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    assert isinstance(schema, OpenApiSchema)
    return schema


def test_document_describes_exactly_these_operations(any_agent: RunningAgent) -> None:
    paths = any_agent.http.get("/openapi.json").json()["paths"].values()
    assert {operation["operationId"] for path in paths for operation in path.values()} == OPERATIONS


@pytest.mark.parametrize(("operation_id", "mode"), CONVERSATIONS, ids=str)
def test_every_answer_is_as_described(
    any_agent: RunningAgent, analysis: Analysis, operation_id: str, mode: GenerationMode
) -> None:
    """Never a 5xx; statuses, content types, headers and bodies as documented; what breaks the schema is refused."""
    operation = described(any_agent.server.url).find_operation_by_id(operation_id)
    headers = {"Authorization": f"Bearer {analysis.auth.token}"}
    held = things_held(any_agent, analysis)
    # The FLAME Node Result Service passes the hub's files on without a content type.
    typed = [] if operation_id == "getIntermediateResult" else CONTENT
    checks = [check for check in CHECKS if operation_id not in FORMS or check is not negative_data_rejection]

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(mode))
    def conversation(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(headers=headers, checks=checks)
        for place in (case.path_parameters, case.query):
            for name in HELD & set(place or {}):
                place[name] = held[operation_id, name]
                # The request may be a good one now.
                case.call_and_validate(headers=headers, checks=[*STATUS, *typed])

    conversation()


def things_held(agent: RunningAgent, analysis: Analysis) -> dict[tuple[str, str], str]:
    """Ids with which each operation finds something."""

    def put(path: str) -> httpx.Response:
        answer = agent.http.put(
            path, auth=analysis.auth, files={"file": ("name.txt", b"content", "text/plain")}
        )
        return answer.raise_for_status()

    local = put("/local").json()["object_id"]
    return {
        ("getLocalResult", "object_id"): local,
        ("uploadLocalFile", "object_id"): local,
        ("tagObject", "object_id"): local,
        ("getIntermediateResult", "object_id"): put("/intermediate").json()["object_id"],
        ("getUpload", "upload_id"): put("/final").headers["X-Upload-Id"],
    }
