"""docs/reference/hardening.md tells every rule of the benchmark that a test names, where, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.reference_pages import ROOT, page, rows, sections

PAGE = sections(page("hardening.md"))
KEPT = rows(PAGE["What is kept"])
NOT_KEPT = rows(PAGE["What is not kept, and why"])
PLACES = {"files": ROOT / "tests" / "unit" / "deploy", "containers": ROOT / "tests" / "deploy"}
OF_THE_BENCHMARK = {*(f"4.{number}" for number in range(1, 13)), *(f"5.{number}" for number in range(1, 33))}
"""Sections 4 and 5 of the CIS Docker Benchmark 1.6.0."""


def _held(place: Path) -> set[str]:
    """The rules in the names of a folder's tests."""
    return {
        f"{section}.{rule}"
        for path in place.glob("test_*.py")
        for name in re.findall(r"def test_cis_(\w+)", path.read_text("utf-8"))
        for section, rule in re.findall(r"(?:^|_and_)([45])_(\d+)", name)
    }


@pytest.mark.parametrize("kind", PLACES)
def test_rules_are_held_where_the_page_says(kind: str) -> None:
    told = {rule for rule, cells in KEPT.items() if kind in cells[-1]}
    assert told == _held(PLACES[kind])


def test_every_rule_of_both_sections_is_told_once() -> None:
    assert KEPT.keys() | NOT_KEPT.keys() == OF_THE_BENCHMARK
    assert not KEPT.keys() & NOT_KEPT.keys()


def test_what_is_not_kept_has_its_reason() -> None:
    assert all(len(cells) == 2 and cells[-1] for cells in NOT_KEPT.values())
