"""Whether the trust's host can be worked on over SSH, found out before anything runs there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provision.said import Stop

SECONDS = 60
KEY_ALONE = ("PasswordAuthentication=no", "KbdInteractiveAuthentication=no", "ConnectTimeout=20")
NEW_KEYS = "StrictHostKeyChecking=accept-new"


@dataclass(frozen=True)
class Login:
    """How SSH reaches the host; the operator's own ``~/.ssh/config`` and ``known_hosts`` hold as well."""

    user: str
    host: str
    key: Path

    @property
    def host_key_options(self) -> tuple[str, ...]:
        """What is told to ssh about unknown hosts: their key is taken at the first visit, and must stay the same.

        Nobody could be asked in the middle of a playbook. What the operator's own configuration says goes before.
        """
        answer = _run(["ssh", "-G", self.host])
        asks = "stricthostkeychecking ask" in answer.stdout.lower().splitlines()
        return ("-o", NEW_KEYS) if asks else ()


def check_login(login: Login, environ: Mapping[str, str]) -> None:
    """Log in once, and become root.

    Raises:
        Stop: either does not work; the text says what to look at.
    """
    if shutil.which("ssh") is None:
        raise Stop(
            "LOCAL_TRUST_SSH_KEY is given, but there is no ssh on this machine: install openssh-client"
        )
    password = environ.get("ANSIBLE_BECOME_PASS", "")
    # The password goes by standard input, where no list of processes shows it.
    sudo = ["sudo", "-S", "-p", "''", "true"] if password else ["sudo", "-n", "true"]
    options = [part for option in KEY_ALONE for part in ("-o", option)]
    where = ["-i", str(login.key), *login.host_key_options, "-l", login.user, login.host]
    answer = _run(["ssh", *options, *where, *sudo], f"{password}\n" if password else "")
    if answer.returncode:
        raise Stop(why(login, answer.returncode, answer.stderr, password_given=bool(password)))


def why(login: Login, code: int, said: str, *, password_given: bool) -> str:
    """What went wrong, in one line for the operator. 255 is ssh's own exit code; others are those of sudo."""
    place = f"{login.user}@{login.host}"
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "it said nothing")
    if code == 255:
        if "Permission denied" in said:
            return (
                f"SSH to {place}: Permission denied. Is LOCAL_TRUST_SSH_KEY the right key, and LOCAL_TRUST_USER the "
                "right user?"
            )
        if "Host key verification failed" in said:
            return (
                f"SSH to {place}: the host's key is not the one that known_hosts has. If the host was installed anew: "
                f"ssh-keygen -R {login.host}; else somebody may be in between"
            )
        return (
            f"SSH to {place}: {last}. Is LOCAL_TRUST_HOST (else LOCAL_TRUST_IP) where SSH reaches the host?"
        )
    if code == 127:
        return f"There is no sudo on {login.host}: install it, and let {login.user} use it"
    if password_given:
        return f"Permission denied: sudo of {place} does not take ANSIBLE_BECOME_PASS ({last})"
    return f"Permission denied: {place} may not use sudo, or not without a password. Let it, or set ANSIBLE_BECOME_PASS"


def _run(command: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 255, "", f"no answer within {SECONDS} s")
