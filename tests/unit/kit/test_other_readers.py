"""Variables of the kit that are no settings: docs/reference/kit.md tells who reads them, or that nobody does yet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flame_node_agent.config.catalogue import catalogue
from flame_node_agent.kit.sections import SECTIONS
from tests.unit.reference_pages import ROOT, SOURCE, assert_same, page, rows, sections

TOLD = rows(sections(page("kit.md"))["What is not a setting"])
SETTINGS = {name for entry in catalogue() for name in (entry.variable.name, *entry.variable.also_named)}
READERS: dict[str, tuple[str, list[Path]]] = {
    "Compose": (r"\$\{NAME\b", [*(ROOT / "trust").glob("compose*.yml")]),
    "`trust/scripts`": (r"kit_value NAME\b", [*(ROOT / "trust/scripts").glob("*.sh")]),
    "provisioning": (r"[\"']NAME[\"']", [*(ROOT / "scripts/provision").glob("*.py")]),
    "doctor": (r"[\"']NAME[\"']", [*(SOURCE / "doctor").glob("*.py")]),
}
"""How each reads a variable, and where."""


def readers(name: str) -> set[str]:
    """Who reads the variable."""
    return {
        reader
        for reader, (pattern, paths) in READERS.items()
        if any(re.search(pattern.replace("NAME", name), path.read_text("utf-8")) for path in paths)
    }


def test_every_variable_that_is_no_setting_is_told() -> None:
    plain = {each.name for section in SECTIONS for each in section.variables if not each.make}
    assert_same(set(TOLD), plain - SETTINGS, "kit.md")


@pytest.mark.parametrize("name", TOLD)
def test_who_reads_it_is_told(name: str) -> None:
    told = set(TOLD[name][0].split(", ")) - {"nobody yet"}
    assert told == readers(name)


def test_each_has_a_sentence() -> None:
    assert all(re.fullmatch(r"[A-Z`].+\.", meaning) for _, meaning in TOLD.values())
