"""The development stack to measure: durable PostgreSQL, real S3, a hub and one agent, started for this run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from benchmarks.client import Target

START_SECONDS = 300.0


@dataclass(frozen=True)
class Stack:
    """What the ready file says."""

    ready: dict[str, Any]

    @property
    def target(self) -> Target:
        """The result endpoint, as the first analysis."""
        url = urlsplit(self.ready["result_url"])
        return Target(url.hostname or "127.0.0.1", url.port or 80, self.ready["analyses"][0]["token"])

    @property
    def agent(self) -> psutil.Process:
        """The agent's process."""
        return psutil.Process(self.ready["pids"]["agent"])

    @property
    def recipient(self) -> str:
        """A node whose key is on this node's own curve."""
        return str(self.ready["nodes"][0]["id"])

    def peak_memory(self, part: str = "agent") -> int:
        """Highest resident memory of a part in bytes since its start, or since the last :meth:`forget_peak`."""
        for line in Path(f"/proc/{self.ready['pids'][part]}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("this system does not tell a process' peak memory")

    def forget_peak(self) -> None:
        """Let the peak begin anew (proc(5), clear_refs)."""
        Path(f"/proc/{self.agent.pid}/clear_refs").write_text("5")


@contextlib.contextmanager
def running_stack(omop_persons: int) -> Iterator[Stack]:
    """Start the stack in a directory of its own; stop it and remove the directory at the end."""
    with tempfile.TemporaryDirectory(prefix="flame-node-bench-") as directory:
        Path(directory).chmod(0o711)  # PostgreSQL may run under another account
        ready_file = Path(directory) / "ready.json"
        command = [sys.executable, "-m", "flame_node_agent", "dev"]
        command += ["--state-dir", f"{directory}/state", "--ready-file", str(ready_file)]
        command += ["--omop-persons", str(omop_persons)]
        with Path(directory, "stack.log").open("w") as output:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                env={**os.environ, "LOG__LEVEL": "WARNING", "RESULTS__INTERMEDIATE_DEADLINE_SECONDS": "600"},
            )
        try:
            end = time.monotonic() + START_SECONDS
            while not ready_file.exists():
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(Path(directory, "stack.log").read_text())
                time.sleep(0.1)
            yield Stack(json.loads(ready_file.read_text()))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
