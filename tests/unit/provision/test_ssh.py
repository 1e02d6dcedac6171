"""What keeps SSH from working is told apart, in one line for the operator."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from provision import ssh
from provision.said import Stop
from provision.ssh import Login, check_login, why

LOGIN = Login("ubuntu", "203.0.113.7", Path("/keys/trust"))


@pytest.mark.parametrize(
    ("code", "said", "password_given", "line"),
    [
        (255, "ubuntu@203.0.113.7: Permission denied (publickey).\n", False, "Is LOCAL_TRUST_SSH_KEY the right key"),
        (255, "@@@@\nHost key verification failed.\n", False, "ssh-keygen -R 203.0.113.7"),
        (
            255,
            "ssh: connect to host 203.0.113.7 port 22: Connection timed out\n",
            False,
            "Connection timed out. Is LOCAL_TRUST_HOST",
        ),
        (255, "", False, "it said nothing"),
        (127, "sh: 1: sudo: not found\n", False, "There is no sudo on 203.0.113.7"),
        (1, "sudo: a password is required\n", False, "or set ANSIBLE_BECOME_PASS"),
        (1, "Sorry, try again.\nsudo: no password was provided\n", True, "does not take ANSIBLE_BECOME_PASS"),
    ],
)  # fmt: skip
def test_each_reason_has_its_line(code: int, said: str, password_given: bool, line: str) -> None:
    told = why(LOGIN, code, said, password_given=password_given)
    assert line in told
    assert "\n" not in told


class Machine:
    """Notes what is run, and answers what `ssh -G` would."""

    def __init__(self, policy: str) -> None:
        self.policy = policy
        self.commands: list[list[str]] = []
        self.typed = ""

    def run(self, command: list[str], **told: str) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        self.typed += told["input"]
        return subprocess.CompletedProcess(
            command, 0, f"user root\nstricthostkeychecking {self.policy}\n", ""
        )


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine("ask")
    monkeypatch.setattr(ssh.subprocess, "run", machine.run)
    monkeypatch.setattr(ssh.shutil, "which", lambda name: f"/usr/bin/{name}")
    return machine


def test_an_unknown_hosts_key_is_taken_where_ssh_would_ask(machine: Machine) -> None:
    assert LOGIN.host_key_options == ("-o", "StrictHostKeyChecking=accept-new")


@pytest.mark.parametrize("policy", ["true", "false", "accept-new"])
def test_the_operators_own_choice_about_host_keys_holds(machine: Machine, policy: str) -> None:
    machine.policy = policy
    assert LOGIN.host_key_options == ()


def test_the_password_of_sudo_is_typed_and_in_no_command(machine: Machine) -> None:
    check_login(LOGIN, {"ANSIBLE_BECOME_PASS": "sentinel"})
    assert machine.typed == "sentinel\n"
    assert "sentinel" not in str(machine.commands)


def test_a_machine_without_ssh_is_told_what_to_install(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh.shutil, "which", lambda _: None)
    with pytest.raises(Stop, match="openssh-client"):
        check_login(LOGIN, {})
    assert machine.commands == []
