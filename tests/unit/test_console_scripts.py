"""The two commands that an installation puts into its folder of programs."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("flame-node", ["--help"], "Verify or export"),
        ("flame-node", ["agent", "--help"], "Run the node agent until it is told to stop"),
        ("flame-result", ["--help"], "Run the node agent until it is told to stop"),
    ],
)
def test_they_run_what_they_say(name: str, arguments: list[str], says: str) -> None:
    where = EntryPoint(name, SCRIPTS[name], "console_scripts")
    code = f"import sys; from {where.module} import {where.attr}; sys.argv[0] = {name!r}; {where.attr}()"
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0
    assert says in ended.stdout
