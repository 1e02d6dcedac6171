"""Ids: one spelling each."""

from __future__ import annotations

from uuid import UUID

import pytest

from flame_node_agent.results.identifiers import as_uuid

TEXT = "0b8d4d1c-7a5b-4b3e-9f67-0f4f3a3f9a01"


@pytest.mark.parametrize("text", [TEXT, TEXT.upper()])
def test_uuid_in_its_usual_form_is_an_id(text: str) -> None:
    assert as_uuid(text) == UUID(TEXT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "flame",
        TEXT.replace("-", ""),
        f"{{{TEXT}}}",
        f"urn:uuid:{TEXT}",
        f"{TEXT} ",
        TEXT.replace("-", "_"),
        "0b8d4d1c7-a5b-4b3e-9f67-0f4f3a3f9a01",
        "-" + TEXT.replace("-", "", 1),
        "0b8d4d1c-7a5b-4b3e-9f67-0f4f3a3f9a0g",
        "٠b8d4d1c-7a5b-4b3e-9f67-0f4f3a3f9a01",
        "{0b8d4d1c7a5b4b3e9f670f4f3a3f9a01}--",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert as_uuid(text) is None
