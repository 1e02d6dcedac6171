"""What these tests need of the machine. What can be had with apt is installed; what is missing then ends the tests."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "deploy"
"""What is slow to make and does not change: the base image and the plugins of Docker."""

_PACKAGES = {
    "dockerd": "docker.io",
    "debootstrap": "debootstrap",
    "iptables": "iptables",
    "ip": "iproute2",
    "make": "make",
    "ps": "procps",
    "shellcheck": "shellcheck",
}
_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_RELEASE = "trixie"
_APT = ("apt-get", "-q", "-o", "Acquire::Retries=5", "-o", "DPkg::Lock::Timeout=600")
_UPDATE = (*_APT, "-o", "APT::Update::Error-Mode=any", "update")
_TRIES = 3
"""How often something is fetched when it fails: mirrors have bad moments."""
_LOCK = Path("/var/lock/flame-node-test-deploy.lock")
_POLICY = Path("/usr/sbin/policy-rc.d")
_CHROOT_ONLY = ("docker-compose", "docker-buildx")
"""Plugins of Docker that the release below may have and the machine's may not."""


def run(*command: str | Path, seconds: float = 600, check: bool = True, **options: object) -> str:
    """Run a command, at low priority as builds are; its output, or a failure that shows it."""
    done = subprocess.run(
        ["nice", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
        **options,  # type: ignore[call-overload]  # cwd and env, as they are
    )
    if check and done.returncode:
        pytest.fail(
            f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-6000:]}",
            pytrace=False,
        )
    return done.stdout


def run_again(*command: str | Path, **options: object) -> str:
    """Run a command that fetches something, several times if need be."""
    for _ in range(_TRIES - 1):
        done = subprocess.run(
            ["nice", *map(str, command)],
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
            **options,  # type: ignore[call-overload]  # cwd and env, as they are
        )
        if not done.returncode:
            return str(done.stdout)
    return run(*command, seconds=1200, **options)


@contextmanager
def alone() -> Iterator[None]:
    """Be the only run of these tests on this machine: engines share its firewall."""
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def leave_the_machines_engine_alone() -> None:
    """End the tests where a Docker engine runs already: a second one would rewrite its firewall rules."""
    outside = {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"}
    said = run("docker", "version", "--format", "server {{.Server.Version}}", check=False, env=outside)
    if re.match(r"server \d", said):  # Docker writes the word even when nobody answers
        pytest.fail(
            "a Docker engine runs on this machine, and the engine of these tests would change its firewall rules; "
            "stop it (systemctl stop docker docker.socket), or take another machine",
            pytrace=False,
        )


def install_what_is_missing() -> None:
    """Install it with apt; a test run that cannot go on says what it lacks."""
    if os.geteuid() != 0:
        pytest.fail(
            "make test-deploy starts a Docker engine of its own, so it must be run by root", pytrace=False
        )
    missing = [package for command, package in _PACKAGES.items() if shutil.which(command) is None]
    if missing:
        if shutil.which("apt-get") is None:
            pytest.fail(
                f"make test-deploy needs {', '.join(missing)}, and there is no apt to get it", pytrace=False
            )
        run_again(*_UPDATE)
        with _nothing_started():
            quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            run_again(*_APT, "install", "-y", "--no-install-recommends", *missing, env=quiet)


@contextmanager
def _nothing_started() -> Iterator[None]:
    """Debian starts services as they are installed, unless it is told not to; the engine here is the tests' own."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def name_outside() -> str:
    """A name that the machine itself looks up: that of the server its packages come from."""
    uris = run("apt-get", "indextargets", "--format", "$(URI)").split()
    return next(host for uri in uris if (host := urlsplit(uri).hostname))


def base_root() -> Path:
    """A Debian with Python, as a folder: what the images are built on where no registry can be reached."""
    folder, done = CACHE / _RELEASE, CACHE / f"{_RELEASE}.done"
    if not done.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        include = "--include=ca-certificates,curl,python3,python3-venv"
        # It does not go on with what a failed try has left.
        make = f'rm -rf "{folder}" && debootstrap --variant=minbase {include} {_RELEASE} "{folder}"'
        run_again("sh", "-c", make)
        shutil.copyfile(_CA_BUNDLE, folder / _CA_BUNDLE.relative_to("/"))
        for name in Path("/etc/apt/apt.conf.d").glob("99*"):
            shutil.copyfile(name, folder / name.relative_to("/"))
        done.touch()
    return folder


def docker_config() -> Path:
    """A folder for DOCKER_CONFIG with Compose and Buildx, from the same Debian."""
    plugins = CACHE / "docker" / "cli-plugins"
    if not (plugins / "docker-compose").exists():
        root = base_root()
        shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
        run_again("chroot", root, *_UPDATE)
        run("chroot", root, "install", "-d", "/plugins")
        run_again("chroot", root, "env", "-C", "/plugins", *_APT, "download", *_CHROOT_ONLY)
        unpacked = CACHE / "unpacked"
        for package in (root / "plugins").glob("*.deb"):
            run("dpkg-deb", "-x", package, unpacked)
        shutil.rmtree(root / "plugins")
        plugins.mkdir(parents=True, exist_ok=True)
        for plugin in unpacked.glob("usr/libexec/docker/cli-plugins/*"):
            shutil.copy2(plugin, plugins / plugin.name)
        shutil.rmtree(unpacked)
    return plugins.parent
