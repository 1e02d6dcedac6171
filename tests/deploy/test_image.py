"""The image itself: built again it is the same, and its bill of materials names all that is in it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.deploy.engine import Engine
from tests.deploy.images import BASE, NODE
from tests.deploy.machine import ROOT

ONCE, AGAIN = "flame-node-agent:once", "flame-node-agent:again"
_LIST = """
import hashlib, pathlib
for path in sorted(pathlib.Path("/opt/flame-node").rglob("*")):
    about = path.lstat()
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    target = path.readlink() if path.is_symlink() else ""
    print(path, oct(about.st_mode), about.st_uid, about.st_gid, int(about.st_mtime), target, content)
"""


@pytest.fixture
def twice(engine: Engine, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """One and the same source, built as far as possible from what was built before, and without anything of that."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("src", "docker", "trust/init"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignore)
    for name in ("Dockerfile", ".dockerignore", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for path in ROOT.glob("requirements*.lock"):
        shutil.copy(path, tmp_path)
    for tag, how in ((ONCE, ()), (AGAIN, ("--no-cache",))):
        engine.docker(
            "build", *how, "--build-arg", f"BASE_IMAGE={BASE}", "--tag", tag, tmp_path, seconds=2400
        )
    yield ONCE, AGAIN
    engine.docker("image", "rm", ONCE, AGAIN)


def _files(engine: Engine, image: str) -> list[str]:
    told = ("--rm", "--network", "none", "--no-healthcheck", image, "python", "-c", _LIST)
    return engine.docker("run", *told).splitlines()


def test_the_programs_of_an_image_that_is_built_again_are_the_same(
    engine: Engine, twice: tuple[str, str]
) -> None:
    first, second = (_files(engine, image) for image in twice)
    assert len(first) > 1000
    assert sorted(set(first) ^ set(second)) == []


def test_what_the_image_is_made_of_may_be_read_by_its_user(engine: Engine) -> None:
    closed = "find /opt/flame-node ! -perm -004 ! -type l; echo end"
    assert engine.docker("run", "--rm", "--no-healthcheck", NODE, "sh", "-c", closed).split() == ["end"]


def test_the_bill_of_materials_names_exactly_what_was_locked(engine: Engine, tmp_path: Path) -> None:
    for part in ("scripts", "ansible"):
        shutil.copytree(ROOT / part, tmp_path / part)
    shutil.copy(ROOT / "Makefile", tmp_path)
    subprocess.run(["make", "sbom", f"NODE_IMAGE={NODE}"], cwd=tmp_path, env=engine.environment, check=True)
    bill = json.loads((tmp_path / "sbom.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    named = {
        _normal(each["name"]): each["version"] for each in bill["components"] if each["type"] == "library"
    }
    python = next(each for each in bill["components"] if each["name"] == "CPython")["version"]
    assert named == _locked(python)
    product = bill["metadata"]["component"]
    assert (product["name"], product["type"]) == ("flame-node-agent", "application")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _locked(python: str) -> dict[str, str]:
    """Pins of requirements.lock that are for Linux and the image's Python."""
    pins = re.findall(
        r"^([A-Za-z0-9][^\\\n]*?)\s*\\?$", (ROOT / "requirements.lock").read_text(), re.MULTILINE
    )
    there = {
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    found = {}
    for requirement in map(Requirement, pins):
        if requirement.marker is None or requirement.marker.evaluate(there):
            (pin,) = requirement.specifier
            found[_normal(requirement.name)] = pin.version
    return found
