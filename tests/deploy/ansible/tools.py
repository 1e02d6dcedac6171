"""Ansible, its linter and Amazon's interfaces, in an environment of their own, and what is run with them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploy.machine import ROOT, run, run_again

LOCK = ROOT / "ansible/requirements-test.lock"


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    output: str


@dataclass(frozen=True)
class Tools:
    """The environment, as a folder."""

    venv: Path

    def run(self, *command: str | Path, environ: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Ran:
        """Run one of its commands, or any other, at low priority."""
        first, *rest = map(str, command)
        own = self.venv / "bin" / first
        done = subprocess.run(
            ["nice", str(own) if own.exists() else first, *rest],
            env={**clean_environment(), **(environ or {})},
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )
        return Ran(done.returncode, done.stdout)

    def python(self, text: str, environ: Mapping[str, str]) -> Any:
        """Run a few lines of Python there, with the provisioning scripts at hand; returns the JSON that they print."""
        done = self.run("python", "-c", text, environ={"PYTHONPATH": "scripts", **environ})
        assert done.code == 0, done.output
        return json.loads(done.output.splitlines()[-1])


def clean_environment() -> dict[str, str]:
    """This process's environment without what would reach into a run: makes within makes, and clouds."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MAKE", "MFLAGS", "AWS_", "ANSIBLE_", "TF_")) or name == "AWS_CA_BUNDLE"
    }


def make_tools(folder: Path) -> Tools:
    """Install the pinned packages, unless ``folder`` has them; the Makefile takes it for an installed one."""
    done = folder / ".tests-installed"
    if not done.exists() or done.read_text() != LOCK.read_text():
        run(run(ROOT / "scripts/find-python").strip(), "-m", "venv", "--clear", folder)
        run_again(folder / "bin/pip", "install", "--quiet", "--require-hashes", "-r", LOCK)
        done.write_text(LOCK.read_text())
    (folder / ".installed").touch()
    return Tools(folder)


@contextlib.contextmanager
def running_amazon(tools: Tools) -> Iterator[dict[str, str]]:
    """A stand-in for S3, EC2 and Secrets Manager; yields the environment that leads to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [tools.venv / "bin/moto_server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=clean_environment(),
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                with urllib.request.urlopen(f"{url}/moto-api/", timeout=5):
                    break
            except OSError:
                assert server.poll() is None, "moto_server ended"
                assert time.monotonic() < deadline, "moto_server did not come up"
                time.sleep(0.2)
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing-too",
            "AWS_DEFAULT_REGION": "eu-west-2",
        }
    finally:
        server.terminate()
        server.wait(30)


def reset_amazon(environ: Mapping[str, str]) -> None:
    """Forget all that was made there."""
    request = urllib.request.Request(f"{environ['AWS_ENDPOINT_URL']}/moto-api/reset", method="POST")
    with urllib.request.urlopen(request, timeout=60):
        pass
