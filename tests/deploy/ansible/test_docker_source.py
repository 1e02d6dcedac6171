"""Where Docker comes from, on systems that cannot all be had here: what the role would do on them."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.ansible.conftest import Provisioned
from tests.deploy.ansible.tools import Ran, Tools
from tests.deploy.machine import ROOT

OWN = "docker-ce,docker-ce-cli,containerd.io,docker-buildx-plugin,docker-compose-plugin"
PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: flip_docker
        tasks_from: choose
    - ansible.builtin.debug:
        msg: "chosen={{ flip_docker_chosen | trim }} packages={{ flip_docker_packages | join(',') }}"
    - ansible.builtin.include_role:
        name: flip_docker
        tasks_from: repository
      when: flip_docker_chosen | trim == 'docker'
"""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """Docker's package server, for Ubuntu 22.04 and 24.04 alone."""
    for release in ("jammy", "noble"):
        (tmp_path / f"mirror/ubuntu/dists/{release}").mkdir(parents=True)
        (tmp_path / f"mirror/ubuntu/dists/{release}/Release").write_text("Origin: Docker\n")
    (tmp_path / "mirror/ubuntu/gpg").write_text("a key\n")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path / "mirror"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def choose(provisioned: Provisioned, tools: Tools, folder: Path, **told: str) -> Ran:
    """Run the role's choice, and what it does to apt's sources as a trial."""
    play = folder / "play.yml"
    play.write_text(PLAY)
    return tools.run(
        "ansible-playbook",
        "--check",
        f"--inventory={provisioned.target.inventory}",
        f"--extra-vars={json.dumps({'flip_docker_installed': '', **told})}",
        play,
        environ={
            "ANSIBLE_CONFIG": str(ROOT / "ansible/ansible.cfg"),
            "ANSIBLE_ROLES_PATH": str(ROOT / "ansible/roles"),
        },
    )


@pytest.mark.parametrize("release", ["jammy", "noble"])
def test_ubuntu_gets_dockers_own_packages_where_their_server_answers(
    provisioned: Provisioned, tools: Tools, tmp_path: Path, mirror: str, release: str
) -> None:
    ran = choose(
        provisioned,
        tools,
        tmp_path,
        flip_docker_distribution="Ubuntu",
        flip_docker_release=release,
        flip_docker_repository=mirror,
        flip_docker_key_checksum="sha256:" + hashlib.sha256(b"a key\n").hexdigest(),
    )
    assert ran.code == 0, ran.output
    assert f"chosen=docker packages={OWN}" in ran.output
    assert re.search(r"Add the source of Docker's packages\] \*+\nchanged", ran.output), ran.output


@pytest.mark.parametrize(
    ("distribution", "release", "packages"),
    [
        ("Ubuntu", "jammy", "docker.io,docker-buildx,docker-compose-v2"),
        ("Ubuntu", "noble", "docker.io,docker-buildx,docker-compose-v2"),
        ("Ubuntu", "resolute", "docker.io,docker-buildx,docker-compose-v2"),
        ("Debian", "trixie", "docker.io,docker-cli,docker-buildx,docker-compose"),
    ],
)
def test_the_distributions_own_are_taken_where_that_server_cannot_be_reached(
    provisioned: Provisioned, tools: Tools, tmp_path: Path, distribution: str, release: str, packages: str
) -> None:
    ran = choose(
        provisioned,
        tools,
        tmp_path,
        flip_docker_distribution=distribution,
        flip_docker_release=release,
        flip_docker_repository="http://127.0.0.1:9",
    )
    assert ran.code == 0, ran.output
    assert f"chosen=distribution packages={packages}" in ran.output


@pytest.mark.parametrize(
    ("release", "said"),
    [
        ("bookworm", ("Debian bookworm has no Compose 2.24.0 of its own", "name a mirror")),
        (
            "forky",
            (
                "Debian forky is not known to have a Compose 2.24.0 of its own",
                "cannot be reached, or has no packages for it",
            ),
        ),
    ],
)
def test_a_debian_without_compose_and_without_that_server_is_refused_with_the_way_out(
    provisioned: Provisioned, tools: Tools, tmp_path: Path, release: str, said: tuple[str, ...]
) -> None:
    ran = choose(
        provisioned,
        tools,
        tmp_path,
        flip_docker_distribution="Debian",
        flip_docker_release=release,
        flip_docker_repository="http://127.0.0.1:9",
    )
    assert ran.code != 0
    assert [part for part in said if part not in ran.output] == []


@pytest.mark.parametrize("installed", ["docker", "distribution"])
def test_a_docker_that_is_there_stays(
    provisioned: Provisioned, tools: Tools, tmp_path: Path, installed: str
) -> None:
    ran = choose(
        provisioned,
        tools,
        tmp_path,
        flip_docker_installed=installed,
        flip_docker_distribution="Ubuntu",
        flip_docker_release="noble",
        flip_docker_key_checksum="",
        flip_docker_repository="http://127.0.0.1:9",
    )
    assert f"chosen={installed} " in ran.output
