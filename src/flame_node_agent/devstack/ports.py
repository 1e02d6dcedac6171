"""Free TCP ports of this machine's loopback address.

Ports are drawn from below the range that systems hand to outgoing connections (Linux: 32768 and up), so that
a server which is stopped for a while finds its port still free when it comes back. Stacks that run side by side draw
different ones, also while their servers are not listening yet.
"""

from __future__ import annotations

import fcntl
import functools
import os
import random
import socket
import time
from collections.abc import Iterable
from pathlib import Path

from flame_node_agent.devstack.processes import StackError

LOOPBACK = "127.0.0.1"

NOBODY_THERE = f"http://{LOOPBACK}:9"
"""An address that refuses connections at once, for a service that does not run (port 9 is for discarding)."""
_LOWEST, _HIGHEST = 11_000, 21_999
_draw = random.SystemRandom()
_given: set[int] = set()
"""Handed out by this process already; their servers may not have started yet."""


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port`` of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


@functools.cache
def _register() -> int | None:
    """The file in which all stacks of this installation lock the bytes whose places are the numbers of their ports.

    A file of the package, so that nothing is left behind; None where it may not be locked.
    """
    try:
        return os.open(Path(__file__).with_name("drawn-ports"), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None


def _reserve(port: int) -> bool:
    """Keep ``port`` from other stacks that draw ports until this process ends; False when one of them has it."""
    if (register := _register()) is None:
        return True
    try:
        fcntl.lockf(register, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def free_ports(count: int, *, companion: int = 0) -> list[int]:
    """``count`` different free ports; with ``companion`` the port that many higher is free as well, and not given out.

    SeaweedFS opens its gRPC port 10,000 above each HTTP port. StackError when the machine has none left.
    """
    found: list[int] = []
    for _ in range(2_000):
        port = _draw.randint(_LOWEST, _HIGHEST)
        wanted = {port, port + companion}
        if wanted.isdisjoint(_given) and all(_reserve(each) and is_free(each) for each in wanted):
            found.append(port)
            _given.update(wanted)
        if len(found) == count:
            return found
    raise StackError(f"no {count} free ports between {_LOWEST} and {_HIGHEST} on this machine")


def await_ports(ports: Iterable[int], *, seconds: float = 3.0) -> None:
    """Return once all ``ports`` are free (a killed predecessor may need a moment). StackError if not."""
    deadline = time.monotonic() + seconds
    for port in ports:
        while not is_free(port):
            if time.monotonic() > deadline:
                raise StackError(f"port {port} is taken by another process")
            time.sleep(0.05)
