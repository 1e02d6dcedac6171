"""A Docker engine of the tests' own: started, killed and started again by them, and gone without a trace."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.deploy.machine import docker_config, run

_READY_SECONDS = 60.0


class Engine:
    """One ``dockerd`` with everything it keeps below ``directory``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._forward_policy = ""

    @property
    def environment(self) -> dict[str, str]:
        """What makes ``docker`` speak to this engine."""
        return {
            **os.environ,
            "DOCKER_HOST": f"unix://{self.directory}/docker.sock",
            "DOCKER_CONFIG": str(docker_config()),
            "DOCKER_BUILDKIT": "1",
        }

    def start(self) -> None:
        """Start it; returns when it answers."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._forward_policy = self._forward_policy or _forward_policy()
        (self.directory / "docker.pid").unlink(missing_ok=True)
        log = (self.directory / "dockerd.log").open("ab")
        self._process = subprocess.Popen(
            [
                "dockerd",
                *("--data-root", f"{self.directory}/data", "--exec-root", f"{self.directory}/exec"),
                *("-H", f"unix://{self.directory}/docker.sock", "-p", f"{self.directory}/docker.pid"),
                # Containers end with the engine's kill in most installations; a restart policy brings them back.
                *("--log-level", "warn"),
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
        for pid in _shims_and_containers(self.directory):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # What a machine keeps in /run and in its kernel does not survive either.
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            if (place := line.split()[1]).startswith(f"{self.directory}/"):
                run("umount", "--lazy", place, check=False)
        shutil.rmtree(self.directory / "exec", ignore_errors=True)

    def stop(self) -> None:
        """Stop it with its containers, and put the firewall back as it was."""
        if self._process is not None and self._process.poll() is None:
            names = self.docker("ps", "-q").split()
            if names:
                self.docker("kill", *names, check=False)
            self._process.terminate()
            self._process.wait(60)
        if self._forward_policy:
            run("iptables", "-P", "FORWARD", self._forward_policy)

    def __enter__(self) -> Engine:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _forward_policy() -> str:
    first = run("iptables", "-S", "FORWARD").splitlines()[0]
    return first.split()[-1]


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
