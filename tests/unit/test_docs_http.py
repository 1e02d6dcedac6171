"""``docs/reference/http.md`` tells every route of the OpenAPI document, with its parameters and answers."""

from __future__ import annotations

import re
from dataclasses import fields
from functools import cache
from typing import Any
from unittest.mock import Mock

import pytest

from flame_node_agent.config.settings import load_settings
from flame_node_agent.results.app import create_app
from flame_node_agent.results.ports import ResultDependencies
from tests.unit.reference_pages import assert_prose, assert_same, page, rows, sections
from tests.unit.settings_samples import COMPLETE


@cache
def openapi() -> dict[str, Any]:
    absent = {part.name: Mock() for part in fields(ResultDependencies)}
    return create_app(ResultDependencies(**absent), load_settings(COMPLETE, env_file=None)).openapi()


def operations() -> dict[str, dict[str, Any]]:
    """Read all operations from the OpenAPI document: ``PUT /final/`` -> operation."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in openapi()["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_is_documented() -> None:
    undescribed = {"GET /openapi.json", "GET /docs", "GET /redoc"}
    documented = {head for head in sections(page("http.md")) if re.match("[A-Z]+ /", head)}
    assert_same(documented, set(operations()) | undescribed, "http.md")


@pytest.mark.parametrize("name", operations())
def test_route_is_documented_with_its_parameters_and_answers(name: str) -> None:
    operation, text = operations()[name], sections(page("http.md"))[name]
    assert f"`{operation['operationId']}`" in text
    told = rows(text)
    inputs = {parameter["name"] for parameter in operation.get("parameters", [])} | body_fields(operation)
    assert_same({row for row in told if not row.isdigit()}, inputs, f"http.md, {name}")
    assert_same({row for row in told if row.isdigit()}, set(operation["responses"]), f"http.md, {name}")
    for cells in told.values():
        assert_prose(cells[-1])


def body_fields(operation: dict[str, Any]) -> set[str]:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]["$ref"].rpartition("/")[2]
        return set(openapi()["components"]["schemas"][schema]["properties"])
    return set()
