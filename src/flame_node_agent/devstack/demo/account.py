"""Chapter: what was sent against what is held, and the egress ledger's own account."""

from __future__ import annotations

import subprocess
import sys

from flame_node_agent.devstack.demo.analysis import Unexpected
from flame_node_agent.devstack.demo.comparison import comparison
from flame_node_agent.devstack.demo.stage import Stage
from flame_node_agent.devstack.processes import clean_environment


def settle(stage: Stage) -> None:
    """Show the table, and have the ledger verified by the command an auditor would use."""
    narrator = stage.narrator
    narrator.chapter("What was sent, and what is held")
    narrator.explain("Read from the hub and from the object store directly, not through the agent.")
    narrator.show(comparison(stage.rows))
    verify = [
        sys.executable,
        "-m",
        "flame_node_agent",
        "ledger",
        "verify",
        "--env-file",
        str(stage.stack.agent.env_file),
    ]
    finished = subprocess.run(verify, check=False, capture_output=True, text=True, env=clean_environment())
    if finished.returncode != 0:
        raise Unexpected(f"flame-node ledger verify: {finished.stdout.strip()} {finished.stderr.strip()}")
    narrator.did(f"flame-node ledger verify: {finished.stdout.strip()}")
