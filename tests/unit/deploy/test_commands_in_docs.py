"""What pages tell operators to type is shell, and gives make only variables that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.deploy.compose_files import ROOT
from tests.unit.reference_pages import page, rows, sections

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^( *)```bash\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
OF_OTHERS = {"TF_VAR_local_trust_public_ip", "DOCKER_DEFAULT_PLATFORM"}
"""FLIP's own name, which deploy/providers/AWS understands, and Docker's."""

VARIABLES = {
    *rows(sections(page("deployment.md"))["Variables"]),
    *rows(sections(page("provisioning.md"))["Variables of the targets"]),
    *OF_OTHERS,
}


def blocks(path: Path) -> list[str]:
    """The blocks of shell, without the indent of the list that they may stand in."""
    return [
        re.sub(rf"^{indent}", "", body, flags=re.MULTILINE)
        for indent, body in FENCE.findall(path.read_text("utf-8"))
    ]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_blocks_of_shell_can_be_read_by_bash(path: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    for block in blocks(path):
        # Contents of a kit are shown as shell too, and are.
        text = re.sub(r"<([\w ]+)>", "value", block)
        done = subprocess.run([bash, "-n"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stderr}\n{block}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_variables_that_are_given_to_make_exist(path: Path) -> None:
    text = path.read_text("utf-8").replace("\\\n", " ")
    for line in re.findall(r"^.*\bmake (?:-C \S+ |-s )?[a-z-]+\b.*$", text, re.MULTILINE):
        for command in re.findall(
            r"(?:[A-Za-z_]+=\S+ )*make (?:-C \S+ |-s )?[a-z][a-z-]+(?: [A-Za-z_]+=\S+)*", line
        ):
            given = set(re.findall(r"(?:^| )([A-Za-z_]+)=", command))
            assert given <= VARIABLES, f"{sorted(given - VARIABLES)} in: {command}"
