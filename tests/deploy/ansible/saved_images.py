"""Archives as `docker save` writes them, and an engine that knows no more than to load them and tell their ids."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

from tests.deploy.ansible.target import Target

DOCKER = "/usr/local/bin/docker"
_ENGINE = """#!/usr/bin/python3
import json, pathlib, sys, tarfile
place = pathlib.Path("/var/lib/engine")
place.mkdir(exist_ok=True)
known = place / "images.json"
images = json.loads(known.read_text()) if known.exists() else {}
command = sys.argv[1:]
if command[:2] == ["image", "inspect"]:
    sys.exit(print(images[command[-1]]) if command[-1] in images else "Error: No such image")
if command[:2] == ["load", "--input"]:
    with (place / "loads").open("a") as file:
        file.write("load\\n")
    with tarfile.open(command[2]) as tar:
        for entry in json.load(tar.extractfile("manifest.json")):
            images.update({name: "sha256:" + entry["Config"].split("/")[-1] for name in entry["RepoTags"]})
    known.write_text(json.dumps(images))
    sys.exit()
if command[:2] == ["compose", "version"]:
    sys.exit(print("2.40.0"))
sys.exit(f"docker {command}?")
"""


def write_archive(path: Path, *names: str, content: str = "1") -> Path:
    """Write an archive with an image of each name; ``content`` makes it differ from others."""
    entries = []
    with tarfile.open(path, "w") as tar:

        def add(name: str, data: bytes) -> None:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))

        for name in names:
            config = json.dumps({"config": name, "content": content}).encode()
            blob = f"blobs/sha256/{hashlib.sha256(config).hexdigest()}"
            add(blob, config)
            entries.append({"Config": blob, "RepoTags": [name], "Layers": []})
        add("manifest.json", json.dumps(entries).encode())
    return path


def put_engine(target: Target) -> None:
    """Put the engine's command in front of Docker's own."""
    target.path(DOCKER).write_text(_ENGINE)
    target.path(DOCKER).chmod(0o755)


def remove_engine(target: Target) -> None:
    """Remove it, with what it has loaded."""
    target.path(DOCKER).unlink()
    target.run("rm", "-rf", "/var/lib/engine")


def loads(target: Target) -> int:
    """How often it has loaded an archive."""
    path = target.path("/var/lib/engine/loads")
    return path.read_text().count("load") if path.exists() else 0
