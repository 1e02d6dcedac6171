"""Requests of every kind that the OpenAPI document allows or forbids: none crashes, none is answered otherwise."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.unit.results.conftest import assemble

ENDPOINT = assemble()
TOKENS = {
    "analysis": ENDPOINT.issuer.token(ENDPOINT.hub.add_analysis()),
    "adapter": ENDPOINT.issuer.token("hub-adapter"),
}
CHECKS = [
    not_a_server_error,
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", ENDPOINT.app)


@pytest.mark.parametrize("caller", TOKENS)
@SCHEMA.parametrize()
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_request_has_a_documented_answer(case: schemathesis.Case, caller: str) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {TOKENS[caller]}"}, checks=CHECKS)
