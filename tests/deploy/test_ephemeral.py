"""``docker compose up -d`` at the root, to try the result service: the documentation, a token, a result."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.engine import Engine
from tests.deploy.images import BASE, POSTGRES, S3
from tests.deploy.machine import ROOT
from tests.deploy.trust_host import until

PROJECT = "flame-node-development"
BUILT = "flame-node-development:test"
"""Not on the machine before: Compose builds it."""

_UPLOADS = (
    "import urllib.request; "
    "print(urllib.request.urlopen('http://127.0.0.1:8000/admin/uploads', timeout=20).read().decode())"
)


@dataclass
class Ephemeral:
    """A checkout in which somebody runs ``docker compose`` and the script for tokens."""

    engine: Engine
    folder: Path
    port: int

    def run(self, *command: str) -> str:
        """Run a command there; its output."""
        images = {
            "NODE_IMAGE": BUILT,
            "S3_IMAGE": S3,
            "S3_HEALTH_PATH": "/healthz",
            "POSTGRES_IMAGE": POSTGRES,
        }
        environment = {**self.engine.environment, **images, "BASE_IMAGE": BASE, "API_PORT": str(self.port)}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def get(self, path: str) -> str:
        """What a browser on this machine is given; nothing while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
                return str(answer.read().decode(errors="replace"))
        except OSError:
            return ""

    def containers(self) -> list[dict[str, Any]]:
        """What ``docker inspect`` says of all of them."""
        label = f"label=com.docker.compose.project={PROJECT}"
        ids = self.engine.docker("ps", "--all", "--quiet", "--filter", label).split()
        found: list[dict[str, Any]] = json.loads(self.engine.docker("inspect", *ids)) if ids else []
        return found


@pytest.fixture(scope="module")
def ephemeral(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ephemeral]:
    """It, up, in a checkout that was made under umask 077."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("ephemeral")
    for part in ("trust", "docker"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns(".env*", "backups"))
    shutil.copy(ROOT / "compose.yml", folder)
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() or os.access(path, os.X_OK) else 0o600)
    (folder / "docker/keycloak/issue-jwt.sh").chmod(0o700)
    # With their modes, by which the builder knows what it has built already.
    for part in (".dockerignore", "Dockerfile", "LICENSE", "README.md", "pyproject.toml"):
        shutil.copy2(ROOT / part, folder)
    for path in (*ROOT.glob("requirements*.lock"), ROOT / "docker/set_times.py"):
        shutil.copy2(path, folder / path.relative_to(ROOT))
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    here = Ephemeral(engine, folder, port)
    engine.docker("image", "rm", "--force", BUILT, check=False)
    try:
        here.run("docker", "compose", "up", "-d")
        yield here
    finally:
        here.run("docker", "compose", "down", "--volumes")


def test_its_image_has_been_built_for_all_that_need_it(ephemeral: Ephemeral) -> None:
    (built,) = ephemeral.engine.docker("image", "inspect", "--format", "{{.Id}}", BUILT).split()
    runs = {
        each["Config"]["Labels"]["com.docker.compose.service"]: each["Image"]
        for each in ephemeral.containers()
    }
    assert {name for name, image in runs.items() if image == built} == {
        *("agent", "hub", "issuer", "prepare", "bucket")
    }


def test_the_documentation_of_the_api_loads_with_all_its_parts(ephemeral: Ephemeral) -> None:
    page = until(lambda: ephemeral.get("/docs"), "the documentation of the API")
    parts = re.findall(r"(?:src|href)=\"([^\"]+)\"", page)
    assert any(part.endswith(".js") for part in parts)
    assert any(part.endswith(".css") for part in parts)
    for part in parts:
        assert part.startswith("/"), f"{part} is not the container's own"
        assert ephemeral.get(part), part
    (document,) = re.findall(r"url: '([^']+)'", page)
    assert "/final/" in json.loads(ephemeral.get(document))["paths"]


def test_a_token_of_the_script_lets_a_result_in_and_the_hub_gets_it(
    ephemeral: Ephemeral, tmp_path: Path
) -> None:
    token = until(lambda: ephemeral.run("docker/keycloak/issue-jwt.sh").strip(), "a token")
    result = tmp_path / "model.txt"
    result.write_text("weights")
    put = ("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-X", "PUT", "-F", f"file=@{result}")
    to = f"http://127.0.0.1:{ephemeral.port}/final/"
    assert _status(*put, to) == "403"
    assert _status(*put, "-H", "Authorization: Bearer of-nobody", to) in {"401", "403"}
    until(lambda: _status(*put, "-H", f"Authorization: Bearer {token}", to) == "204", "the result taken")
    uploads = ("docker", "compose", "exec", "-T", "hub", "python", "-c", _UPLOADS)
    until(lambda: '"model.txt"' in ephemeral.run(*uploads), "the result at the hub")


def test_its_containers_are_hardened_as_those_of_a_trust(ephemeral: Ephemeral) -> None:
    found = ephemeral.containers()
    assert {each["Config"]["Labels"]["com.docker.compose.service"] for each in found} == {
        *("agent", "hub", "issuer", "prepare", "bucket", "minio", "postgres")
    }
    for each in found:
        host = each["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert host["PidsLimit"] > 0
        assert host["Memory"] > 0


def test_it_is_for_this_machine_alone_and_data_have_no_way_out(ephemeral: Ephemeral) -> None:
    for each in ephemeral.containers():
        service = each["Config"]["Labels"]["com.docker.compose.service"]
        bindings = [port for ports in (each["HostConfig"]["PortBindings"] or {}).values() for port in ports]
        assert [port["HostIp"] for port in bindings] == (["127.0.0.1"] if service == "agent" else [])
        networks = {name.removeprefix(f"{PROJECT}_") for name in each["NetworkSettings"]["Networks"]}
        if service in {"minio", "postgres", "bucket"}:
            assert networks == {"internal"}
        assert "internal" not in networks or service in {"agent", "minio", "postgres", "bucket"}


def test_down_with_its_volumes_leaves_nothing(ephemeral: Ephemeral) -> None:
    ephemeral.run("docker", "compose", "down", "--volumes")
    label = f"label=com.docker.compose.project={PROJECT}"
    for kind in ("container", "volume", "network"):
        every = ("--all",) if kind == "container" else ()
        assert ephemeral.engine.docker(kind, "ls", *every, "--quiet", "--filter", label).split() == []


def _status(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300).stdout
