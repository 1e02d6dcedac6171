"""A Docker engine of the tests' own: started, killed and started again by them, and gone without a trace."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.deploy.firewall import Firewall, free_pool
from tests.deploy.machine import docker_config, run

_OF_MAKE = {"MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"}
_READY_SECONDS = 180.0
_MARK = "flame-node-agent.tests=1"
"""A label by which an engine of these tests is known, should its run have been killed."""


class Engine:
    """One ``dockerd`` with everything it keeps below ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._firewall: Firewall | None = None
        self._pool = ""

    @property
    def environment(self) -> dict[str, str]:
        """What makes ``docker`` speak to this engine."""
        return {
            # What the make that runs the tests says to the makes below it is not an operator's.
            **{name: value for name, value in os.environ.items() if name not in _OF_MAKE},
            "DOCKER_HOST": f"unix://{self.directory}/docker.sock",
            "DOCKER_CONFIG": str(docker_config()),
            "DOCKER_BUILDKIT": "1",
        }

    def start(self) -> None:
        """Start it; returns when it answers."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._firewall is None:
            self._firewall = Firewall()
            self._firewall.keep()
        self._pool = self._pool or free_pool()
        (self.directory / "docker.pid").unlink(missing_ok=True)
        log = (self.directory / "dockerd.log").open("ab")
        self._process = subprocess.Popen(
            [
                "dockerd",
                *("--data-root", f"{self.directory}/data", "--exec-root", f"{self.directory}/exec"),
                *("-H", f"unix://{self.directory}/docker.sock", "-p", f"{self.directory}/docker.pid"),
                *("--default-address-pool", f"base={self._pool},size=24"),
                *("--label", _MARK, "--log-level", "warn"),
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        deadline = time.monotonic() + _READY_SECONDS
        while "Server Version" not in self.docker("info", check=False):
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = (self.directory / "dockerd.log").read_text(errors="replace")[-3000:]
                raise RuntimeError(f"dockerd does not answer:\n{tail}")
            time.sleep(0.2)

    def docker(self, *arguments: str | Path, seconds: float = 600, check: bool = True) -> str:
        """Run ``docker``; its output."""
        return run("docker", *arguments, seconds=seconds, check=check, env=self.environment)

    def forget(self) -> None:
        """Remove what an earlier run has left, but for images."""
        if names := self.docker("ps", "--all", "--quiet").split():
            self.docker("rm", "--force", *names)
        if volumes := self.docker("volume", "ls", "--quiet").split():
            self.docker("volume", "rm", "--force", *volumes)
        self.docker("network", "prune", "--force")

    def kill(self) -> None:
        """Kill it as a power cut would, containers and all."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        _clear_away(self.directory)

    def stop(self) -> None:
        """Stop it with its containers, and put the firewall back as it was."""
        if self._process is not None and self._process.poll() is None:
            names = self.docker("ps", "-q").split()
            if names:
                self.docker("kill", *names, check=False)
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(120)
            self._process.kill()
            self._process.wait()
        _clear_away(self.directory)
        if self._firewall is not None:
            self._firewall.put_back()
            assert not (remains := self._firewall.remains()), f"left on the machine: {remains}"

    def __enter__(self) -> Engine:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def remove_leftovers() -> None:
    """End engines of earlier runs that were killed. To be called by whoever alone may start an engine now."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            if Path(words[0]).name == "dockerd" and _MARK in words:
                directory = Path(words[words.index("--data-root") + 1]).parent
                os.kill(int(entry.name), signal.SIGKILL)
                _clear_away(directory)
    if (before := Firewall.kept()) is not None:
        before.put_back()


def _clear_away(directory: Path) -> None:
    """Remove what a machine without power would not have: processes, and what is in /run and in the kernel."""
    for pid in _shims_and_containers(directory):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        if (place := line.split()[1]).startswith(f"{directory}/"):
            run("umount", "--lazy", place, check=False)
    shutil.rmtree(directory / "exec", ignore_errors=True)


def _shims_and_containers(directory: Path) -> list[int]:
    """This engine's containerd, its shims and their containers: recognised by the directory, or by their parents."""
    parents: dict[int, int] = {}
    ours: set[int] = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        pid = int(entry.name)
        parents[pid] = int(status[1])
        if str(directory) in command and pid != os.getpid() and "containerd" in command:
            ours.add(pid)
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in ours} - ours
        grown = bool(more)
        ours |= more
    return sorted(ours)
