"""Reads the pages of ``docs/reference``: tables whose first column names things in backticks, and sections."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "flame_node_agent"
REFERENCE = ROOT / "docs" / "reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text("utf-8")


def rows(text: str) -> dict[str, list[str]]:
    """Read all rows of all tables that begin with a name in backticks: name -> the other cells."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            first, *others = (cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1])
            name = first.removeprefix("`").partition("`")[0]
            assert name not in found, f"{name} is told twice"
            found[name] = others
    return found


def sections(text: str, level: str = "##") -> dict[str, str]:
    """Split a page at its headings: heading -> what stands below it."""
    _, *parts = re.split(rf"^{level} ", text, flags=re.MULTILINE)
    return {head.strip("`"): body for head, _, body in (part.partition("\n") for part in parts)}


def assert_same(documented: set[str], real: set[str], page: str) -> None:
    assert not real - documented, f"not told in docs/reference/{page}: {sorted(real - documented)}"
    assert not documented - real, f"told in docs/reference/{page}, but gone: {sorted(documented - real)}"


def assert_prose(text: str) -> None:
    assert re.match(r"[A-Z0-9`].{15,}[.:]$", text), f"no sentence: {text!r}"
