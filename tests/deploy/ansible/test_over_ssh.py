"""`make add-local-trust` as an operator runs it on a host elsewhere: a real sshd, a real key, real sudo."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.ansible.conftest import Provisioned
from tests.deploy.ansible.ssh_host import ALIAS, PASSWORD, SshHost, ssh_host
from tests.deploy.ansible.test_make_targets import ADDRESS
from tests.deploy.ansible.test_playbook import counts
from tests.deploy.ansible.tools import Ran, Tools
from tests.deploy.machine import ROOT

FLIPS_FOLDER = ROOT / "deploy/providers/AWS"


@pytest.fixture(scope="module")
def host(provisioned: Provisioned, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHost]:
    """The host, shared by the tests of this file."""
    with ssh_host(provisioned.target, tmp_path_factory.mktemp("ssh")) as running:
        yield running


def add(tools: Tools, host: SshHost, key: Path, **told: str) -> Ran:
    """Run it where FLIP's operators do."""
    command = ("make", "add-local-trust", f"LOCAL_TRUST_IP={ADDRESS}", f"LOCAL_TRUST_SSH_KEY={key}")
    return tools.run(
        *command,
        f"DEPLOY_VENV={tools.venv}",
        *(f"{name}={value}" for name, value in told.items() if name != "ANSIBLE_BECOME_PASS"),
        environ={**host.environ, **{name: told[name] for name in told if name == "ANSIBLE_BECOME_PASS"}},
        cwd=FLIPS_FOLDER,
    )


def test_the_first_run_changes_the_host_and_the_second_nothing(
    tools: Tools, host: SshHost, tmp_path: Path
) -> None:
    kit = tmp_path / ".env.Trust_2.stag"
    kit.write_text("TRUST_NAME=Trust_2\nTRUST_API_KEY=sentinel-of-the-api-key\n")
    kit.chmod(0o600)
    told = {"LOCAL_TRUST_USER": "ubuntu", "PROD": "stag", "KIT_FILE": str(kit)}
    # As seen from the folder that make is called in.
    key = Path(os.path.relpath(host.key, FLIPS_FOLDER))
    first = add(tools, host, key, **told)
    assert first.code == 0, first.output
    assert counts(first)["changed"] > 5
    assert "sentinel-of-the-api-key" not in first.output
    unit = (host.root / "etc/systemd/system/flip-trust.service").read_text()
    (place,) = re.findall(r"^WorkingDirectory=/(.+)$", unit, re.MULTILINE)
    deployed = host.root / place / ".env.Trust_2.stag"
    assert deployed.read_text() == kit.read_text()
    assert deployed.stat().st_mode & 0o777 == 0o600
    assert (host.root / place / "Makefile").exists()
    assert "[127.0.0.1]:" in host.known_hosts.read_text(), "the host's key was not kept"
    second = add(tools, host, key, **told)
    assert second.code == 0, second.output
    assert counts(second)["changed"] == 0, second.output


def test_a_wrong_key_is_said_in_one_line_before_anything_runs(tools: Tools, host: SshHost) -> None:
    ran = add(tools, host, host.wrong_key)
    assert ran.code != 0
    assert f"✘ SSH to ubuntu@{ALIAS}: Permission denied. Is LOCAL_TRUST_SSH_KEY the right key" in ran.output
    assert "TASK" not in ran.output


def test_a_user_without_sudo_is_said_in_one_line_before_anything_runs(tools: Tools, host: SshHost) -> None:
    ran = add(tools, host, host.key, LOCAL_TRUST_USER="guest")
    assert ran.code != 0
    assert f"✘ Permission denied: guest@{ALIAS} may not use sudo, or not without a password" in ran.output
    assert "ANSIBLE_BECOME_PASS" in ran.output
    assert "TASK" not in ran.output


def test_a_sudo_that_asks_gets_the_password_and_nobody_else_sees_it(tools: Tools, host: SshHost) -> None:
    told = {"LOCAL_TRUST_USER": "clerk", "ANSIBLE_ARGS": "--check --tags=base"}
    wrong = add(tools, host, host.key, ANSIBLE_BECOME_PASS="wrong", **told)
    assert wrong.code != 0
    assert f"✘ Permission denied: sudo of clerk@{ALIAS} does not take ANSIBLE_BECOME_PASS" in wrong.output
    right = add(tools, host, host.key, ANSIBLE_BECOME_PASS=PASSWORD, **told)
    assert right.code == 0, right.output
    assert PASSWORD not in right.output


def test_a_host_that_shows_another_key_than_before_is_refused(tools: Tools, host: SshHost) -> None:
    add(tools, host, host.wrong_key)
    known = host.known_hosts.read_text()
    other = host.wrong_key.with_suffix(".pub").read_text().split()[1]
    host.known_hosts.write_text(
        "".join(f"{line.rsplit(' ', 1)[0]} {other}\n" for line in known.splitlines() if "ed25519" in line)
    )
    try:
        ran = add(tools, host, host.key)
    finally:
        host.known_hosts.write_text(known)
    assert ran.code != 0
    assert f"✘ SSH to ubuntu@{ALIAS}: the host's key is not the one that known_hosts has" in ran.output
    assert "TASK" not in ran.output
