"""The variables of the make targets, read and judged before anything runs."""

from __future__ import annotations

import ipaddress
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from provision.said import Stop
from provision.trust_kit import find_kit, other_kits, read_kit, suffix

ROOT = Path(__file__).resolve().parents[2]
NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.168.0.0/16", "224.0.0.0/3",
    )
)  # fmt: skip
DEFAULT_FL_PORT = 8002


@dataclass(frozen=True)
class Surroundings:
    """All that the operator has given, by environment, by make variable or in the kit."""

    environ: Mapping[str, str]
    kit: Mapping[str, str]
    """Empty when there is no kit file yet."""
    kit_file: Path
    prod: str
    kit_name: str

    def get(self, name: str, default: str = "") -> str:
        """A variable: the environment has precedence over the kit."""
        return self.environ.get(name, "").strip() or self.kit.get(name, "") or default

    def path(self, name: str) -> Path | None:
        """A variable that is a path, seen from the folder that make was called in; None when it is not given."""
        text = self.get(name)
        return Path(text).expanduser() if text else None

    @property
    def backend(self) -> str:
        """``nvflare`` or ``flower``."""
        return self.get("FL_BACKEND", "nvflare").lower()

    @property
    def trust_name(self) -> str:
        """The trust's name at the hub; empty when nobody has said which trust it is: no kit, and no KIT either."""
        told = self.kit or self.environ.get("KIT", "").strip()
        return self.get("TRUST_NAME", self.kit_name if told else "")

    @property
    def slot(self) -> str:
        """The trust's place among the participants of federated learning."""
        return self.get("FL_KIT_SLOT", self.kit_name)

    @property
    def fl_kit_date(self) -> str:
        """The date under which the hub keeps its FL kits."""
        return self.get("FLOWER_KIT_DATE" if self.backend == "flower" else "FLARE_KIT_DATE")

    @property
    def fl_port(self) -> int:
        """The port of the FL server's load balancer.

        Raises:
            Stop: it is no port.
        """
        text = self.get("FL_SERVER_PORT", str(DEFAULT_FL_PORT))
        if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
            raise Stop(f"FL_SERVER_PORT is '{text}'; it is a port, such as {DEFAULT_FL_PORT}")
        return int(text)


def look_around(environ: Mapping[str, str] = os.environ) -> Surroundings:
    """Read the variables, and the kit when there is one.

    Raises:
        Stop: PROD is wrong, or the kit cannot be read.
    """
    prod = environ.get("PROD", "").strip()
    suffix(prod)
    name = environ.get("KIT", "").strip() or "Trust_2"
    given = environ.get("KIT_FILE", "").strip()
    path = Path(given).expanduser() if given else find_kit(ROOT / "trust", name, prod)
    return Surroundings(environ, read_kit(path) if path.is_file() else {}, path, prod, name)


def check_environment(here: Surroundings) -> None:
    """Refuse to leave the kit out only because another PROD was meant.

    Raises:
        Stop: there is no kit for PROD, and one for another.
    """
    if here.kit or here.kit_file.is_file() or here.environ.get("KIT_FILE", "").strip():
        return
    if others := other_kits(here.kit_file.parent, here.kit_name):
        known = ", ".join(f"{name} ({choice})" for name, choice in others.items())
        raise Stop(f"There is no kit {here.kit_file}, but {known}. Give the PROD that is meant")


def public_address(text: str) -> str:
    """A trust's public IPv4 address, as the load balancer will see it.

    Raises:
        Stop: it is none.
    """
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise Stop(
            f"LOCAL_TRUST_IP is '{text}'; it is the trust's public IPv4 address, such as 203.0.113.7"
        ) from None
    if any(address in network for network in NOT_PUBLIC):
        raise Stop(
            f"LOCAL_TRUST_IP is {text}, which the hub will never see: it is the public address that the trust's "
            "traffic comes from (curl -s https://api.ipify.org on the trust's host). Where SSH needs another address, "
            "give that as LOCAL_TRUST_HOST"
        )
    return str(address)


def required_address(here: Surroundings, usage: str) -> str:
    """LOCAL_TRUST_IP.

    Raises:
        Stop: it is missing or wrong.
    """
    text = here.environ.get("LOCAL_TRUST_IP", "").strip()
    if not text:
        raise Stop(f"LOCAL_TRUST_IP is missing: {usage}")
    return public_address(text)


def ssh_key(here: Surroundings) -> Path | None:
    """LOCAL_TRUST_SSH_KEY; None when the trust is this machine.

    Raises:
        Stop: there is no such file, or ssh would refuse it for its mode.
    """
    path = here.path("LOCAL_TRUST_SSH_KEY")
    if path is None:
        return None
    if not path.is_file():
        raise Stop(f"LOCAL_TRUST_SSH_KEY is {path}, and there is no such file")
    if (mode := path.stat().st_mode & 0o777) & 0o077:
        raise Stop(f"LOCAL_TRUST_SSH_KEY has mode {mode:04o}, and ssh will refuse it: chmod 600 {path}")
    # The playbook runs in another folder.
    return path.absolute()


def need_become_password(environ: Mapping[str, str], *, uid: int, sudo: Callable[[], bool]) -> None:
    """Refuse to start on this machine without the means to become root.

    Raises:
        Stop: this is not root, sudo asks for a password, and ANSIBLE_BECOME_PASS does not have it.
    """
    if uid == 0 or environ.get("ANSIBLE_BECOME_PASS") or sudo():
        return
    raise Stop(
        "ANSIBLE_BECOME_PASS is missing: without LOCAL_TRUST_SSH_KEY this machine becomes the trust, and sudo asks for "
        "a password. In bash: read -rsp 'Sudo password: ' ANSIBLE_BECOME_PASS && echo && export ANSIBLE_BECOME_PASS. "
        "In fish: set -x ANSIBLE_BECOME_PASS (read -s -P 'Sudo password: ')"
    )


def sudo_without_password() -> bool:
    """Whether sudo works here without asking."""
    try:
        answer = subprocess.run(["sudo", "-n", "true"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0
