"""What any page names exists: pages, headings, commands, options, variables, metrics, files and tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from flame_node_agent.cli import COMMANDS, load_command
from flame_node_agent.config.catalogue import catalogue
from flame_node_agent.kit.sections import NAMES
from flame_node_agent.telemetry.metrics import REGISTRY
from tests.unit.reference_pages import ROOT, SOURCE, page, rows, sections

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
VARIABLES = [entry.variable for entry in catalogue()]
GROUPS = sorted({variable.name.partition("__")[0] for variable in VARIABLES if "__" in variable.name})

FLIPS_OWN = {"COHORT_SNAPSHOT_DIR"}
"""Variables of FLIP's services that pages name because they are ignored here."""

OTHERS = NAMES | {"FL_SERVER_HOST", "TRUST_API_KEY_HASHES", "TRUST_NAMES"}
OTHERS |= set(rows(sections(page("provisioning.md"))["Variables of the targets"])) | {"FLIP_API"}
OTHERS |= set(rows(sections(page("deployment.md"))["Variables"]))
"""Variables of the kit that no service reads as a setting, what `flame-node doctor` reads beside it, and the hub's;
those of the make targets that provision a trust, which have a page of their own; and the name of the hub's secret."""

every_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def prose_of(path: Path) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def code_of(path: Path) -> list[str]:
    """The lines of blocks of code, and the code within sentences."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    spans = (re.sub(r"\s+", " ", span) for span in re.findall(r"`([^`]+)`", prose_of(path)))
    return [line for block in blocks for line in block.splitlines()] + list(spans)


@cache
def anchors_of(path: Path) -> frozenset[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose_of(path), flags=re.MULTILINE)
    names = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    return frozenset(
        name + (f"-{again}" if (again := names[:place].count(name)) else "")
        for place, name in enumerate(names)
    )


@every_page
def test_links_lead_to_pages_and_headings_that_exist(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(path)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        page = (path.parent / file).resolve() if file else path
        assert page.exists(), f"{target}: no such page"
        assert ROOT in page.parents, f"{target}: outside the project"
        if anchor:
            assert anchor in anchors_of(page), f"{target}: no such heading"


@every_page
def test_make_targets_exist(path: Path) -> None:
    makefiles = ("Makefile", "ansible/targets.mk", "trust/Makefile", "deploy/providers/AWS/Makefile")
    targets = {
        target
        for name in makefiles
        for line in re.findall(
            r"^([a-z][a-z -]*):(?!=)", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE
        )
        for target in line.split()
    }
    named = {name for line in code_of(path) for name in re.findall(r"(?:^|\$ )make ([a-z][a-z-]*)", line)}
    assert named <= targets


def invocations(path: Path) -> Iterator[list[str]]:
    """Every call of flame-node on a page, in words."""
    for line in code_of(path):
        for words in re.findall(r"(?<![\w/-])(?:\.venv/bin/)?flame-node ((?:--)?[a-z][^|>#\"]*)", line):
            yield [word.rstrip(":],.`") for word in words.split()]


@every_page
def test_commands_and_their_options_exist(path: Path) -> None:
    for words in invocations(path):
        if words[0] in {"--help", "--version"}:
            continue
        assert words[0] in COMMANDS, words
        command: Any = load_command(words[0])
        rest = words[1:]
        if hasattr(command, "commands") and rest:
            assert rest[0] in command.commands, words
            command, rest = command.commands[rest[0]], rest[1:]
        options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= options, words


@every_page
def test_variables_exist(path: Path) -> None:
    known = {name for variable in VARIABLES for name in (variable.name, *variable.also_named)}
    pattern = re.compile(rf"\b(?:{'|'.join([*GROUPS, 'S3'])})__\w*[A-Z](?!\w|__\*)")
    assert set(pattern.findall(path.read_text("utf-8"))) <= known


@every_page
def test_variables_without_a_group_exist(path: Path) -> None:
    known = {name for variable in VARIABLES for name in (variable.name, *variable.also_named)}
    words = {name.partition("_")[0] for name in known if "_" in name and "__" not in name}
    pattern = re.compile(rf"(?<![\w$-])(?:{'|'.join(sorted(words))})_[A-Z0-9]+(?:_[A-Z0-9]+)*\b")
    named = {name for line in code_of(path) for name in pattern.findall(line)}
    assert named - FLIPS_OWN - OTHERS <= known


@every_page
def test_metrics_exist(path: Path) -> None:
    known = {sample.name for metric in REGISTRY.collect() for sample in metric.samples}
    known |= {name for metric in REGISTRY.collect() for name in (metric.name, f"{metric.name}_total")}
    named = set(re.findall(r"\bflame_node_(?!agent\b)\w+", path.read_text("utf-8")))
    assert named <= known


@every_page
def test_files_of_the_project_exist(path: Path) -> None:
    packages = "|".join(entry.name for entry in SOURCE.iterdir() if entry.is_dir())
    for span in re.findall(r"`([^`\s]+)`", prose_of(path)):
        if re.match(r"(src|tests|docs|scripts|benchmarks|\.ci)/", span):
            assert list(ROOT.glob(span.rstrip("/"))), span
        elif re.match(rf"({packages})/[\w./]+\.\w+$", span):
            assert (SOURCE / span).exists(), span


@cache
def known_tests() -> frozenset[str]:
    files = list((ROOT / "tests").rglob("test_*.py"))
    functions = (re.findall(r"def (test_\w+)\(", file.read_text("utf-8")) for file in files)
    return frozenset({file.stem for file in files}.union(*functions))


@every_page
def test_tests_that_are_named_exist(path: Path) -> None:
    named = {
        name for span in re.findall(r"`([^`]+)`", prose_of(path)) for name in re.findall(r"\btest_\w+", span)
    }
    assert named <= known_tests()
