"""``docs/reference/data-access-http.md`` tells every route of data-access-api, with its fields and answers."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest

from tests.unit.cohort.service_double import assemble
from tests.unit.reference_pages import assert_prose, assert_same, page, rows, sections

PAGE = "data-access-http.md"


@cache
def openapi() -> dict[str, Any]:
    return assemble().app.openapi()


def operations() -> dict[str, dict[str, Any]]:
    """Read all operations from the OpenAPI document: ``POST /cohort`` -> operation."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in openapi()["paths"].items()
        for method, operation in methods.items()
    }


def test_every_route_is_documented() -> None:
    documented = {head for head in sections(page(PAGE)) if re.match("[A-Z]+ /", head)}
    assert_same(documented, set(operations()), PAGE)


@pytest.mark.parametrize("name", operations())
def test_route_is_documented_with_its_fields_and_answers(name: str) -> None:
    operation, text = operations()[name], sections(page(PAGE))[name]
    assert f"`{operation['operationId']}`" in text
    first_tables = text.partition("| detail")[0]
    told = rows(first_tables)
    assert_same({row for row in told if not row.isdigit()}, body_fields(operation), f"{PAGE}, {name}")
    assert_same({row for row in told if row.isdigit()}, set(operation["responses"]), f"{PAGE}, {name}")
    for cells in told.values():
        assert_prose(cells[-1])


def body_fields(operation: dict[str, Any]) -> set[str]:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]["$ref"].rpartition("/")[2]
        return set(openapi()["components"]["schemas"][schema]["properties"])
    return set()
