"""What these tests need of the machine. What can be had with apt is installed; what is missing then ends the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "deploy"
"""What is slow to make and does not change: the base image and the plugins of Docker."""

_PACKAGES = {
    "dockerd": "docker.io",
    "debootstrap": "debootstrap",
    "iptables": "iptables",
    "shellcheck": "shellcheck",
}
_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_RELEASE = "trixie"
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
        run("apt-get", "update", "-q")
        # Debian starts services as they are installed; this engine is the tests' own.
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        run("apt-get", "install", "-q", "-y", "--no-install-recommends", *missing, env=quiet)


def base_root() -> Path:
    """A Debian with Python, as a folder: what the images are built on where no registry can be reached."""
    folder, done = CACHE / _RELEASE, CACHE / f"{_RELEASE}.done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        include = "--include=ca-certificates,curl,python3,python3-venv"
        run("debootstrap", "--variant=minbase", include, _RELEASE, folder, seconds=900)
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
        run("chroot", root, "apt-get", "update", "-q")
        run("chroot", root, "install", "-d", "/plugins")
        run("chroot", root, "env", "-C", "/plugins", "apt-get", "download", "-q", *_CHROOT_ONLY)
        unpacked = CACHE / "unpacked"
        for package in (root / "plugins").glob("*.deb"):
            run("dpkg-deb", "-x", package, unpacked)
        shutil.rmtree(root / "plugins")
        plugins.mkdir(parents=True, exist_ok=True)
        for plugin in unpacked.glob("usr/libexec/docker/cli-plugins/*"):
            shutil.copy2(plugin, plugins / plugin.name)
        shutil.rmtree(unpacked)
    return plugins.parent
