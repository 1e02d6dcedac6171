"""docs/reference/sql.md lists what the guard accepts."""

from __future__ import annotations

import re
from pathlib import Path

from flame_node_agent.cohort.guard.functions import CONSTANTS, FUNCTIONS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "sql.md"


def test_the_page_lists_exactly_the_allowed_functions() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Functions")[2].partition("## Refusals")[0]
    assert set(re.findall(r"`(\w+)`", section)) == FUNCTIONS | CONSTANTS


def test_the_page_has_the_text_of_every_refusal() -> None:
    page = re.sub(r"<\w+>", "", PAGE.read_text(encoding="utf-8"))
    folder = Path(__file__).parents[3] / "src" / "flame_node_agent" / "cohort" / "guard"
    source = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    texts = re.findall(r'Refused\(\s*400,\s*f?"([^"]+)"', source)
    assert len(texts) > 10
    for text in texts:
        for piece in re.split(r"\{[^}]*\}", text):  # what is filled in
            assert piece.strip() in page, text
