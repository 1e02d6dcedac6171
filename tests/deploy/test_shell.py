"""Shellcheck has nothing to say: of no script, and of no recipe of a Makefile."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.machine import ROOT, install_what_is_missing, run

MAKEFILES = ("Makefile", "trust/Makefile", "ansible/targets.mk")
_PLACES = ("trust", "docker", "scripts", "tests/deploy", ".ci")


def _scripts() -> list[Path]:
    """All files of the repository that a shell runs: by their name, or by their first line."""
    found = []
    for path in sorted(path for place in _PLACES for path in (ROOT / place).rglob("*") if path.is_file()):
        if "__pycache__" in path.parts or ".cache" in path.parts or path.name.startswith(".env"):
            continue
        with path.open("rb") as text:
            first = text.readline()
        if path.suffix == ".sh" or re.match(rb"#!.*\b(sh|bash)\b", first):
            found.append(path)
    return found


def _recipes(makefile: str) -> list[str]:
    """Each recipe's lines as the shell gets them, but for make's own variables, which are put in as words."""
    recipes = re.findall(r"^\t((?:[^\n]|(?<=\\)\n)+)", (ROOT / makefile).read_text(), re.MULTILINE)
    return [_as_the_shell_gets_it(recipe.lstrip("@-")) for recipe in recipes]


def _as_the_shell_gets_it(recipe: str) -> str:
    text, before = recipe.replace("$$", "\0"), ""
    while text != before:
        before, text = text, re.sub(r"\$[({][^(){}$]*[)}]|\$[@<^]", "word", text)
    return text.replace("\0", "$")


def test_of_the_scripts() -> None:
    install_what_is_missing()
    scripts = _scripts()
    names = {str(path.relative_to(ROOT)) for path in scripts}
    assert {
        "trust/scripts/preflight.sh",
        ".ci/run",
        "scripts/find-python",
        "docker/keycloak/issue-jwt.sh",
    } <= names
    run("shellcheck", "--external-sources", *scripts, cwd=ROOT)


@pytest.mark.parametrize("makefile", MAKEFILES)
def test_of_the_recipes(makefile: str) -> None:
    install_what_is_missing()
    recipes = _recipes(makefile)
    assert len(recipes) >= 5
    for recipe in recipes:
        done = subprocess.run(
            ["shellcheck", "--shell=sh", "-"],
            input=recipe + "\n",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{recipe}\n{done.stdout}"
