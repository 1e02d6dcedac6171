"""Every page can be found: from docs/README.md, and within the page by its headings."""

from __future__ import annotations

import re

from tests.unit.reference_pages import ROOT

DOCS = ROOT / "docs"
INDEX = DOCS / "README.md"


def test_every_page_is_linked_from_the_index() -> None:
    linked = {
        (DOCS / target.partition("#")[0]).resolve()
        for target in re.findall(r"\]\(([^)\s]+)\)", INDEX.read_text("utf-8"))
        if not re.match(r"[a-z]+:", target)
    }
    pages = {path for path in DOCS.rglob("*.md") if path != INDEX}
    assert not {path.relative_to(DOCS).as_posix() for path in pages - linked}


def test_every_page_has_one_title_and_it_comes_first() -> None:
    for path in DOCS.rglob("*.md"):
        text = re.sub(r"^ *```.*?^ *```$", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
        assert text.startswith("# "), path
        assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1, path
