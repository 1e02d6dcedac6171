"""The reference of the development stack tells every field of the ready file, and every path of the state directory."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from pydantic import BaseModel

from flame_node_agent.devstack.nodes import OTHER_CURVE, OWN_CURVE
from flame_node_agent.devstack.ready_file import (
    AnalysisFacts,
    HubAddresses,
    NodeFacts,
    OidcAddresses,
    OmopFacts,
    Pids,
    PostgresFacts,
    ReadyFile,
    S3Facts,
    TaskHubFacts,
)
from flame_node_agent.devstack.stack import Stack
from tests.unit.reference_pages import assert_same, page, rows, sections

PAGE = "development-stack.md"
PARTS: dict[str, type[BaseModel]] = {
    "hub": HubAddresses,
    "oidc": OidcAddresses,
    "s3": S3Facts,
    "postgres": PostgresFacts,
    "task_hub": TaskHubFacts,
    "omop": OmopFacts,
    "analyses": AnalysisFacts,
    "nodes": NodeFacts,
    "pids": Pids,
}


def test_every_field_of_the_ready_file_is_documented() -> None:
    told = rows(sections(page(PAGE))["The ready file"])
    assert_same(set(told), set(ReadyFile.model_fields), PAGE)
    for field, model in PARTS.items():
        missing = [name for name in model.model_fields if f"`{name}`" not in told[field][0]]
        assert not missing, f"{field} lacks {missing}"
    assert all(f"`{curve}`" in told["nodes"][0] for curve in (OWN_CURVE, OTHER_CURVE))


def test_every_path_of_the_state_directory_is_documented(tmp_path: Path) -> None:
    told = page(PAGE).partition("## The state directory")[2]
    stack = Stack(tmp_path)
    stack.stop()
    made = {path.name for path in tmp_path.iterdir()}
    made |= {"agent", "data-access", "hub", "nodes", "oidc", "postgres", "s3"}
    made |= {stack.agent.env_file.name, stack.data_access.env_file.name}
    assert [name for name in sorted(made) if f"`{name}`" not in told and f"`{name}/`" not in told] == []


def test_every_table_of_the_synthetic_database_is_documented() -> None:
    told = page(PAGE).partition("## The synthetic OMOP database")[2].partition("## ")[0]
    schema = (resources.files("flame_node_agent.devstack.omop") / "sql" / "1_schema.sql").read_text()
    tables = set(re.findall(r"^CREATE TABLE (\w+)", schema, re.MULTILINE))
    first_cells = re.findall(r"^\| (`.*?) \|", told, re.MULTILINE)
    assert {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)} == tables
