"""One trust as its operator has it: a checkout of ``trust/``, a kit in it, and ``make``."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flame_node_agent.devstack.omop.load import load
from flame_node_agent.devstack.postgres import PostgresAccess
from flame_node_agent.kit.env_text import EnvText
from flame_node_agent.kit.kit_file import read_kit, write_kit
from flame_node_agent.kit.new_trust import complete
from flame_node_agent.kit.template import render_template
from tests.deploy.engine import Engine
from tests.deploy.images import NODE, POSTGRES, S3
from tests.deploy.machine import ROOT
from tests.deploy.outside import CLIENT, TRUST_ID, Outside

PERSONS = 300
SERVICES = ("trust-api", "data-access-api", "postgres", "minio", "omop-db")
JOBS = ("bucket", "objects-owner")
"""What ends by itself once it has done its part of a start."""
QUICK = {
    "HEARTBEAT_INTERVAL_SECONDS": "2",
    "POLL_INTERVAL_SECONDS": "1",
    "TASKS__POLLS_PER_MINUTE": "0",
    "TASKS__LEASE_SECONDS": "5",
    "TASKS__POLL_BACKOFF_CAP_SECONDS": "2",
    "TASKS__REPORT_BACKOFF_CAP_SECONDS": "2",
    "OUTBOX__LEASE_SECONDS": "5",
    "OUTBOX__BACKOFF_CAP_SECONDS": "2",
    "HEALTH_COLLECT_INTERVAL_SECONDS": "2",
    "XNAT_URL": "http://127.0.0.1:9",
    "IMAGING_API_URL": "http://127.0.0.1:9",
}
"""So that tests need not wait as long as a hospital may."""


def until[T](look: Callable[[], T | None], what: str, seconds: float = 300) -> T:
    """Look again and again until there is something."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:.0f} s still not: {what}")
        time.sleep(0.5)


@dataclass
class TrustHost:
    """A trust's folder, and its stack of the name ``stack``."""

    engine: Engine
    folder: Path
    stack: str = "trust-local"

    @property
    def trust_api(self) -> str:
        """Name of the agent's container."""
        return "trust-api" if self.stack == "trust-local" else f"{self.stack}-trust-api"

    @property
    def kit_path(self) -> Path:
        """Where ``PROD=stag`` looks for the kit of Trust_2."""
        return self.folder / "trust" / ".env.Trust_2.stag"

    def unpack(self) -> None:
        """Put what an operator checks out into the folder, whose umask is 077."""
        for part in ("trust", "docker", "ansible"):
            shutil.copytree(
                ROOT / part,
                self.folder / part,
                ignore=shutil.ignore_patterns(".env*", ".node-image*", "backups"),
            )
        shutil.copy(ROOT / "Makefile", self.folder / "Makefile")
        for path in self.folder.rglob("*"):
            path.chmod(0o700 if path.is_dir() or os.access(path, os.X_OK) else 0o600)

    def make_kit(self, **changes: str) -> EnvText:
        """Make the kit as ``flame-node keys new-trust`` does, and fill in what people have to."""
        kit = EnvText(render_template(results=True))
        complete(kit, {"TRUST_NAME": "Trust_2", "CENTRAL_HUB_API_URL": "http://hub:8000/api"}, results=True)
        hub = "http://hub:8000"
        known = {
            "HUB__CORE_BASE_URL": f"{hub}/core",
            "HUB__STORAGE_BASE_URL": f"{hub}/storage",
            "HUB__AUTH_BASE_URL": f"{hub}/auth",
            "HUB__AUTH__ID": CLIENT["id"],
            "HUB__AUTH__SECRET": CLIENT["secret"],
            "OIDC__CERTS_URL": "http://issuer:8000/certs",
            "EXPECTED_TRUST_ID": TRUST_ID,
            **QUICK,
            **changes,
        }
        for name, value in known.items():
            if not kit.put(name, value):
                kit.insert(name, value, after=(), heading="# ── Of the tests ──")
        write_kit(self.kit_path, kit)
        return read_kit(self.kit_path)

    def kit(self) -> EnvText:
        """What the kit holds."""
        return read_kit(self.kit_path)

    def make(
        self,
        *arguments: str,
        check: bool = True,
        folder: str = "trust",
        seconds: float = 1200,
        own_image: bool = True,
    ) -> str:
        """Run make as the seed shows it: ``cd trust && env PROD=stag make …``; ``own_image`` names this build's."""
        environment = self._environment()
        if not own_image:
            del environment["NODE_IMAGE"]
        done = subprocess.run(
            ["make", *arguments],
            cwd=self.folder / folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"make {' '.join(arguments)}:\n{done.stdout[-6000:]}\n{self.logs()}"
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return {
            **self.engine.environment,
            "NODE_IMAGE": NODE,
            "S3_IMAGE": S3,
            "S3_HEALTH_PATH": "/healthz",
            "POSTGRES_IMAGE": POSTGRES,
            "OMOP_IMAGE": POSTGRES,
            "PROD": "stag",
            "STACK": self.stack,
        }

    def described(self, service: str) -> dict[str, Any]:
        """What ``docker inspect`` says of a service, or of a job that has ended."""
        return self.containers(ended=True)[service]

    def containers(self, *, ended: bool = False) -> dict[str, dict[str, Any]]:
        """What ``docker inspect`` says of each running service; with ``ended`` of jobs too."""
        label = f"label=com.docker.compose.project={self.stack}"
        every = ("--all",) if ended else ()
        ids = self.engine.docker("ps", *every, "--quiet", "--no-trunc", "--filter", label).split()
        found = json.loads(self.engine.docker("inspect", *ids)) if ids else []
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in found}

    def logs(self, service: str | None = None) -> str:
        """The last of what the services have logged."""
        return "\n".join(
            f"── {name}\n" + self.engine.docker("logs", "--tail", "40", each["Id"], check=False)
            for name, each in self.containers().items()
            if service in (None, name)
        )

    def load_patients(self) -> None:
        """Fill the OMOP database, as its owner, from the host: it is reachable from nowhere else but its network."""
        kit = read_kit(self.kit_path).values
        (network,) = self.containers()["omop-db"]["NetworkSettings"]["Networks"].values()
        owner = PostgresAccess(
            network["IPAddress"],
            int(kit["OMOP_DB_PORT"]),
            kit["OMOP_POSTGRES_USER"],
            kit["OMOP_POSTGRES_PASSWORD"],
            kit["OMOP_POSTGRES_DB"],
        )
        load(owner, PERSONS, reader_password=kit["DATA_ACCESS_POSTGRES_PASSWORD"])

    def inside(self, service: str, *command: str, check: bool = True) -> str:
        """Run a command in a service's container; for a job, in a new one like it."""
        if service in JOBS:
            return self._inside_a_job(service, *command, check=check)
        return self.engine.docker("exec", self.containers()[service]["Id"], *command, check=check)

    def _inside_a_job(self, service: str, *command: str, check: bool) -> str:
        like_make = {
            "KIT_FILE": self.kit_path.name,
            "OVERLAY": "production",
            "TRUST_API_CONTAINER": self.trust_api,
        }
        done = subprocess.run(
            [
                "sh",
                "-c",
                '. scripts/compose.sh && compose run --rm --no-deps -T "$@"',
                "sh",
                service,
                *command,
            ],
            cwd=self.folder / "trust",
            env={**self._environment(), **like_make},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def kill_process(self, pid: int) -> None:
        """Kill what runs as process 1 of a container, behind the engine's back."""
        os.kill(pid, signal.SIGKILL)

    def back_up(self) -> str:
        """Make a backup; its folder, as ``BACKUP`` takes it."""
        said = self.make("backup-local-trust")
        return said.partition("Backed up to ")[2].partition(". Keep")[0]

    def objects(self) -> set[str]:
        """Names of what is in the bucket."""
        listing = (
            "import asyncio, sys; sys.path.insert(0, '/opt/flame-node/init'); import copy_bucket as c\n"
            "async def names():\n"
            "    async with c.client() as s:\n"
            "        async for found in s.list_objects(c.BUCKET, recursive=True): print(found.object_name)\n"
            "asyncio.run(names())"
        )
        kit = self.kit().values
        told = [f"--env={name}={kit[name]}" for name in kit if name.startswith("MINIO__")]
        network = f"--network={self.stack}_internal"
        return set(
            self.engine.docker(
                "run", "--rm", "--no-healthcheck", network, *told, NODE, "python", "-c", listing
            ).split()
        )

    def put_result(self, outside: Outside, name: str, content: str) -> str:
        """Hand a final result in, as an analysis on the internal network does; its status."""
        token = outside.token()
        form = ("-F", f"file=@-;filename={name}", "http://node-result-service:8080/final/")
        curl = (
            "curl",
            "-sS",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-X",
            "PUT",
            "-H",
            f"Authorization: Bearer {token}",
        )
        network = ("run", "--rm", "-i", "--no-healthcheck", "--network", f"{self.stack}_internal")
        done = subprocess.run(
            ["docker", *network, NODE, *curl, *form],
            input=content,
            capture_output=True,
            text=True,
            env=self.engine.environment,
            timeout=300,
            check=False,
        )
        return done.stdout + done.stderr

    def arrived(self, outside: Outside, name: str) -> bool:
        """Whether the hub has a result of this name, once."""
        return [each["path"] for each in outside.ask("GET", "/admin/uploads")].count(name) == 1

    def ask_cohort(self, outside: Outside, text: str = "SELECT person_id FROM omop.person") -> str:
        """Order a cohort query at the hub; its task id."""
        query = {
            "query": text,
            "query_name": "everybody",
            "project_id": "00000000-0000-0000-0000-0000000000b0",
        }
        return str(outside.ask("POST", "/admin/tasks", {"task_type": "cohort_query", "payload": query})["id"])

    def task_status(self, outside: Outside, task: str) -> str:
        """What the hub says of a task."""
        tasks = outside.ask("GET", "/admin/tasks?limit=100")
        return next(str(each["status"]) for each in tasks if each["id"] == task)
