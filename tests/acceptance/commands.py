"""`flame-node` commands as an operator calls them: with exactly the variables given, in an empty folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from flame_node_agent.devstack.processes import clean_environment

PATIENCE_SECONDS = 60.0
COMMAND = [sys.executable, "-m", "flame_node_agent"]


def flame_node(
    *arguments: str, environment: Mapping[str, str], directory: Path, seconds: float = PATIENCE_SECONDS
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, which must come within ``seconds``."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=clean_environment() | dict(environment),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
