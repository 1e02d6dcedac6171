"""A bare Debian in a folder, which Ansible provisions through chroot as it would a machine through SSH."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.ansible.tools import Ran, Tools
from tests.deploy.machine import ROOT, base_root, run, run_again

ANSIBLE = ROOT / "ansible"


@dataclass(frozen=True)
class Target:
    """The system to be provisioned."""

    root: Path
    inventory: Path

    def play(self, tools: Tools, *arguments: str, environ: dict[str, str] | None = None) -> Ran:
        """Run the playbook on it."""
        return tools.run(
            "ansible-playbook",
            f"--inventory={self.inventory}",
            "site_local_trust.yml",
            *arguments,
            environ={"ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"), **(environ or {})},
            cwd=ANSIBLE,
        )

    def run(self, *command: str) -> str:
        """Run a command in it."""
        return run("chroot", self.root, *command)

    def path(self, inside: str) -> Path:
        """A path of it, as seen from here."""
        return self.root / inside.lstrip("/")

    def ownership(self, inside: str) -> tuple[str, str]:
        """Owner and group of a path as that system names them, or their numbers without names; and the mode."""
        owner, mode = self.run("stat", "-c", "%U:%u:%G:%g %a", inside).strip().split(" ")
        user, uid, group, gid = owner.split(":")
        return (
            f"{uid if user == 'UNKNOWN' else user}:{gid if group == 'UNKNOWN' else group}",
            f"{int(mode, 8):04o}",
        )


@contextlib.contextmanager
def bare_system(folder: Path) -> Iterator[Target]:
    """A fresh copy, with what a real Ubuntu or Debian server has: python3-apt; no service starts in it."""
    root = folder / "root"
    run("cp", "-a", "--reflink=auto", base_root(), root)
    (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    (root / "usr/sbin/policy-rc.d").chmod(0o755)
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    # Mirrors have bad moments.
    (root / "etc/apt/apt.conf.d/80retries").write_text('Acquire::Retries "5";\n')
    run_again("chroot", root, "apt-get", "update", "-q")
    run_again("chroot", root, "apt-get", "install", "-q", "-y", "--no-install-recommends", "python3-apt")
    inventory = folder / "hosts.json"
    # A copy, with what must not be copied along in it, and no other hand at work.
    stack = Path(shutil.copytree(ROOT / "trust", folder / "trust"))
    (stack / ".env.Trust_9.stag").write_text("TRUST_API_KEY=another-trusts\n")
    (stack / "backups").mkdir(exist_ok=True)
    (stack / "backups/database.dump").touch()
    host = {
        "ansible_connection": "community.general.chroot",
        "ansible_host": str(root),
        "ansible_python_interpreter": "/usr/bin/python3",
        "flip_trust_stack_source": str(stack),
    }
    inventory.write_text(json.dumps({"local_trust": {"hosts": {"trust": host}}}))
    run("mount", "-t", "proc", "proc", root / "proc")
    try:
        yield Target(root, inventory)
    finally:
        subprocess.run(["umount", root / "proc"], check=True)
        shutil.rmtree(root)
