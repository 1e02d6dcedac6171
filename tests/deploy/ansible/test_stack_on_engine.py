"""The stack as Ansible has copied it, on a real engine, by the commands of the unit that starts it at boot."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.deploy.ansible.conftest import Provisioned
from tests.deploy.ansible.target import Target
from tests.deploy.ansible.tools import Ran, Tools
from tests.deploy.engine import Engine
from tests.deploy.images import NODE, POSTGRES, S3
from tests.deploy.machine import run
from tests.deploy.trust_host import TrustHost

CARRIED = "flame-node-agent:carried"
STAND_INS = {
    "S3_IMAGE": S3,
    "S3_HEALTH_PATH": "/healthz",
    "POSTGRES_IMAGE": POSTGRES,
    "OMOP_IMAGE": POSTGRES,
}
UNIT = "/etc/systemd/system/flip-trust.service"


@dataclass(frozen=True)
class Carried:
    """A host whose engine is a real one, and the arguments that told Ansible of kit and image."""

    target: Target
    stack: TrustHost
    told: tuple[str, ...]

    def unit(self, command: str) -> str:
        """Do by hand what systemd does: a command of the unit, in its folder and its environment."""
        text = self.target.path(UNIT).read_text()
        (line,) = re.findall(rf"^{command}=(.+)$", text, re.MULTILINE)
        (folder,) = re.findall(r"^WorkingDirectory=(.+)$", text, re.MULTILINE)
        environ = dict(pair.split("=", 1) for pair in re.findall(r"^Environment=(.+)$", text, re.MULTILINE))
        done = subprocess.run(
            shlex.split(line),
            cwd=self.target.path(folder),
            env={**self.stack.engine.environment, **STAND_INS, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, f"{line}:\n{done.stdout[-6000:]}\n{self.stack.logs()}"
        return done.stdout


@pytest.fixture(scope="module")
def deployed(
    provisioned: Provisioned, engine: Engine, tools: Tools, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Carried, Ran]]:
    """Deploy a whole kit and the node's image to the host, by Ansible; what that said."""
    assert not engine.docker("ps", "--all", "--quiet", "--filter", "name=^trust-api$").strip(), "it is taken"
    folder = tmp_path_factory.mktemp("operator")
    (folder / "trust").mkdir()
    operator = TrustHost(engine, folder)
    operator.make_kit()
    engine.docker("tag", NODE, CARRIED)
    engine.docker("save", "--output", folder / "node.tar", CARRIED)
    engine.docker("rmi", CARRIED)
    target = provisioned.target
    socket = target.path("/run/docker.sock")
    socket.touch()
    run("mount", "--bind", engine.directory / "docker.sock", socket)
    told = (
        f"--extra-vars=flip_trust_stack_kit_file={operator.kit_path}",
        f"--extra-vars=flip_trust_stack_node_image_archive={folder / 'node.tar'}",
    )
    # What the tests know of a trust looks for it in a folder `trust`.
    (folder / "host").mkdir()
    (folder / "host/trust").symlink_to(target.path("/opt/flip-trust"))
    stack = TrustHost(engine, folder / "host")
    try:
        ran = target.play(tools, "--tags=stack", *told)
        assert ran.code == 0, ran.output
        yield Carried(target, stack, told), ran
    finally:
        stack.make("down-local-trust", check=False)
        run("umount", socket)
        # The next trust has another kit, and so other passwords.
        names = engine.docker("volume", "ls", "--quiet", "--filter", "name=^trust-local_").split()
        engine.docker("volume", "rm", "--force", *names, check=False)
        target.path("/opt/flip-trust/.node-image.trust-local").unlink(missing_ok=True)


def test_the_image_is_in_the_hosts_engine_and_a_second_run_carries_nothing(
    deployed: tuple[Carried, Ran], tools: Tools, engine: Engine
) -> None:
    host, _ = deployed
    assert engine.docker("image", "inspect", "--format", "{{.Id}}", CARRIED) == engine.docker(
        "image", "inspect", "--format", "{{.Id}}", NODE
    )
    again = host.target.play(tools, "--tags=images", *host.told)
    assert again.code == 0, again.output
    assert "changed=0 " in again.output, again.output


def test_the_unit_starts_and_stops_what_ansible_has_copied(deployed: tuple[Carried, Ran]) -> None:
    host, _ = deployed
    assert "The trust is up" in host.unit("ExecStart")
    running = host.stack.containers()
    assert {name: each["State"]["Health"]["Status"] for name, each in running.items()} == dict.fromkeys(
        ("trust-api", "data-access-api", "postgres", "minio", "omop-db"), "healthy"
    )
    assert running["trust-api"]["Config"]["Image"] == CARRIED, (
        "the stack does not start with what was carried"
    )
    # What the operator types on the host finds nothing more to do.
    host.stack.make("up-local-trust", own_image=False)
    assert {name: each["Id"] for name, each in host.stack.containers().items()} == {
        name: each["Id"] for name, each in running.items()
    }
    host.unit("ExecStop")
    assert host.stack.containers() == {}
    of_stack = ("--quiet", "--filter", "label=com.docker.compose.project=trust-local")
    assert host.stack.engine.docker("ps", "--all", *of_stack).split(), (
        "with the containers, their logs would go"
    )
    host.stack.make("down-local-trust", own_image=False)
    assert host.stack.engine.docker("ps", "--all", *of_stack).split() == []
    volumes = host.stack.engine.docker("volume", "ls", *of_stack).split()
    assert "trust-local_postgres" in volumes, "taking the stack down must not lose data"
