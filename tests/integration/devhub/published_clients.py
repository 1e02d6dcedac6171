"""Published releases of clients, installed unchanged into a cache folder of the checkout on first use."""

from __future__ import annotations

import base64
import csv
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).parents[3]
_REQUIREMENTS = _ROOT / "tests" / "clients"
_CACHE = _ROOT / ".cache" / "published-clients"
_FLAME = "flame-hub-client"


def install(version: str, package: str = _FLAME) -> Path:
    """The folder to put on PYTHONPATH: the release and what it needs beyond the development environment."""
    requirements = _REQUIREMENTS / f"{package}-{version}.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    target = _CACHE / f"{package}-{version}-{digest}"
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / f"{package}-{version}.lock").open("w") as lock:
        # Test workers run side by side.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _install(requirements, target)
    return target


def _install(requirements: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=_CACHE) as scratch:
        fresh = Path(scratch) / "packages"
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        command += [
            "--only-binary",
            ":all:",
            "--require-hashes",
            "--target",
            str(fresh),
            "-r",
            str(requirements),
        ]
        subprocess.run(command, check=True, timeout=120, env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"})
        shutil.move(fresh, target)


def changed_files(installed: Path) -> list[str]:
    """The files of flame_hub that are not byte for byte as the wheel's RECORD says, and files it does not list."""
    (record,) = installed.glob("flame_hub_client-*.dist-info/RECORD")
    listed: dict[str, str] = {}
    with record.open(newline="") as lines:
        for path, digest, _ in csv.reader(lines):
            if path.startswith("flame_hub/") and path.endswith(".py"):
                listed[path] = digest
    present = {
        path.relative_to(installed).as_posix(): path for path in (installed / "flame_hub").rglob("*.py")
    }
    return sorted(
        name
        for name in listed.keys() | present.keys()
        if name not in present or _digest(present[name]) != listed.get(name)
    )


def _digest(path: Path) -> str:
    raw = hashlib.sha256(path.read_bytes()).digest()
    return "sha256=" + base64.urlsafe_b64encode(raw).decode().rstrip("=")
