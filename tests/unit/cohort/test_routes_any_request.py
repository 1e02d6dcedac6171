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

from tests.unit.cohort.service_double import ADMIN, INTERNAL, assemble

SERVICES = {"snapshot": assemble(), "live": assemble(COHORT_ROW_LEVEL="live")}
CALLERS = {"stranger": {}, "internal": INTERNAL, "admin": ADMIN}
CHECKS = [
    not_a_server_error,
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
SNAPSHOT = schemathesis.openapi.from_asgi("/openapi.json", SERVICES["snapshot"].app)
LIVE = schemathesis.openapi.from_asgi("/openapi.json", SERVICES["live"].app)


def _prepared(case: schemathesis.Case, mode: str) -> None:
    """Half of the requests name a real project: others end at the envelope."""
    if isinstance(case.body, dict) and len(str(case.body)) % 2:
        case.body = {**case.body, "encrypted_project_id": SERVICES[mode].sealed()}


@pytest.mark.parametrize("caller", CALLERS)
@SNAPSHOT.parametrize()
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_request_has_a_documented_answer(case: schemathesis.Case, caller: str) -> None:
    _prepared(case, "snapshot")
    case.call_and_validate(headers=CALLERS[caller], checks=CHECKS)


@LIVE.parametrize()
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_live_request_has_a_documented_answer(case: schemathesis.Case) -> None:
    _prepared(case, "live")
    case.call_and_validate(headers=ADMIN, checks=CHECKS)
