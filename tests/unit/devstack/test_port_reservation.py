"""Ports that one process has drawn are not drawn by another, whether or not anybody listens there."""

from __future__ import annotations

import subprocess
import sys

from flame_node_agent.devstack import ports

_DRAW = """
from flame_node_agent.devstack import ports
ports._LOWEST, ports._HIGHEST = {low}, {high}
print(*ports.free_ports(2))
"""


def test_port_of_one_process_is_not_given_to_another() -> None:
    (port,) = ports.free_ports(1)
    low = port - 2  # five ports, one of which is taken
    drawn: set[int] = set()
    for _ in range(5):
        script = _DRAW.format(low=low, high=low + 4)
        drawn |= {int(text) for text in _run(script).split()}
    assert drawn
    assert port not in drawn


def test_ports_of_an_ended_process_are_free_again() -> None:
    drawn = _run("from flame_node_agent.devstack import ports; print(*ports.free_ports(1))")
    assert _run(f"from flame_node_agent.devstack import ports; print(ports._reserve({drawn}))") == "True"


def _run(script: str) -> str:
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return ended.stdout.strip()
