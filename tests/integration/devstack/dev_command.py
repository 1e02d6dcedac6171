"""`flame-node dev` as a person or a test program runs it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

_START_SECONDS = 60.0


class DevCommand:
    """One run of the command over a state directory."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.ready_file = folder / "ready.json"
        self._output = folder / "output.txt"
        arguments = [
            "dev",
            "--state-dir",
            str(folder / "state"),
            "--ready-file",
            str(self.ready_file),
            *options,
        ]
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flame_node_agent", *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def ready(self) -> dict[str, Any]:
        """The ready file, once it is there."""
        wait_for(lambda: self.ready_file.exists() or self.process.poll() is not None, _START_SECONDS)
        assert self.ready_file.exists(), self.output
        return dict(json.loads(self.ready_file.read_text()))

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self._output.read_text()

    def family(self) -> list[psutil.Process]:
        """All its processes, itself included."""
        supervisor = psutil.Process(self.process.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        """Send the signal; the exit code."""
        self.process.send_signal(how)
        return self.process.wait(60)


class Caller:
    """An analysis, or the hub adapter, with its token."""

    def __init__(self, result_url: str, token: str) -> None:
        self.http = httpx.Client(
            base_url=result_url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=60
        )

    def put(self, path: str, content: bytes, **fields: str) -> httpx.Response:
        return self.http.put(path, files={"file": ("result.csv", content)}, data=fields)


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; one that is dead but not collected does not."""
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
