"""A host that is reached over SSH: the provisioned Debian once more, with a real sshd in it and users of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.ansible.target import Target
from tests.deploy.machine import run, run_again

ALIAS = "trust-host"
PASSWORD = "sentinel-of-sudo"
_SERVER = """
Port {port}
ListenAddress 127.0.0.1
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/known_users
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
PidFile none
Subsystem sftp internal-sftp
"""
_OPERATOR = """
Host {alias}
  HostName 127.0.0.1
  Port {port}
  UserKnownHostsFile {known}
  GlobalKnownHostsFile /dev/null
  IdentitiesOnly yes
"""


@dataclass(frozen=True)
class SshHost:
    """The host, and the operator's own side: a key that it knows, one that it does not, ``~/.ssh/config``."""

    root: Path
    folder: Path

    @property
    def key(self) -> Path:
        """The key that all users of the host have."""
        return self.folder / "key"

    @property
    def wrong_key(self) -> Path:
        """A key that nobody there knows."""
        return self.folder / "wrong"

    @property
    def known_hosts(self) -> Path:
        """The operator's ``known_hosts``."""
        return self.folder / "known_hosts"

    @property
    def environ(self) -> dict[str, str]:
        """An environment in which ssh reads that configuration, and not that of this machine's user."""
        return {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "LOCAL_TRUST_HOST": ALIAS}


@contextlib.contextmanager
def ssh_host(provisioned: Target, folder: Path) -> Iterator[SshHost]:
    """Copy the system, take the trust out of it again, and start its sshd."""
    host = SshHost(folder / "root", folder)
    if shutil.which("ssh") is None:
        run_again("apt-get", "install", "-q", "-y", "--no-install-recommends", "openssh-client")
    run("cp", "-a", "-x", "--reflink=auto", provisioned.root, host.root)
    inside = Target(host.root, folder)
    inside.run(
        "rm",
        "-rf",
        "/opt/flip",
        "/opt/flip-trust",
        "/etc/systemd/system/flip-trust.service",
        "/etc/logrotate.d/flip",
    )
    inside.run("apt-get", "install", "-q", "-y", "--no-install-recommends", "openssh-server", "sudo")
    for user, rights in (("ubuntu", "NOPASSWD: ALL"), ("clerk", "ALL"), ("guest", None)):
        inside.run("sh", "-c", f"id {user} || useradd --create-home --shell /bin/bash {user}")
        # No password, and yet no locked account, which sshd would refuse.
        inside.run("usermod", "--password", "*", user)
        if rights:
            (host.root / f"etc/sudoers.d/{user}").write_text(f"{user} ALL=(ALL:ALL) {rights}\n")
    inside.run("sh", "-c", f"echo clerk:{PASSWORD} | chpasswd")
    for key in (host.key, host.wrong_key):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    (host.root / "etc/ssh/known_users").write_bytes(host.key.with_suffix(".pub").read_bytes())
    (host.root / "run/sshd").mkdir(exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (host.root / "etc/ssh/sshd_config").write_text(_SERVER.format(port=port))
    config = folder / "config"
    config.write_text(_OPERATOR.format(alias=ALIAS, port=port, known=host.known_hosts))
    (folder / "bin").mkdir()
    for name in ("ssh", "sftp", "scp"):
        (folder / "bin" / name).write_text(f'#!/bin/sh\nexec /usr/bin/{name} -F {config} "$@"\n')
        (folder / "bin" / name).chmod(0o755)
    # In namespaces of its own, so that with it everything ends that was started in it.
    apart = ("unshare", "--fork", "--pid", "--kill-child", f"--mount-proc={host.root}/proc")
    with (folder / "sshd.log").open("wb") as log:
        server = subprocess.Popen([*apart, "chroot", host.root, "/usr/sbin/sshd", "-D", "-e"], stderr=log)
    try:
        _await_port(port, server, folder / "sshd.log")
        yield host
    finally:
        server.kill()
        server.wait(30)
        run("rm", "-rf", "--one-file-system", host.root)


def _await_port(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, "sshd does not answer"
        time.sleep(0.1)
