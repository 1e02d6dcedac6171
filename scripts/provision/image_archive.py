"""What an archive of container images holds, read without a Docker engine.

Source of the form: ``docker save``, that is ``manifest.json`` (Docker image specification v1.2) and, since Docker 25,
``index.json`` (OCI image layout) beside it.
"""

from __future__ import annotations

import argparse
import functools
import json
import re
import sys
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from provision.said import Stop

DIGEST = re.compile(r"[0-9a-f]{64}")
LISTINGS = ("manifest.json", "index.json")
LARGEST_LISTING = 4 * 1024 * 1024


@dataclass(frozen=True)
class Image:
    """One image of an archive."""

    names: tuple[str, ...]
    ids: tuple[str, ...]
    """What an engine may call its id: the digest of its configuration or, with containerd's store, of its manifest."""


@functools.cache
def images_of(archive: Path) -> tuple[Image, ...]:
    """The images of an archive.

    Raises:
        Stop: it is no archive of ``docker save``, was cut off, or holds an image without a name.
    """
    try:
        with archive.open("rb") as file:
            found = _listings(file)
    except (OSError, tarfile.TarError, EOFError, ValueError) as error:
        raise Stop(f"{archive} is no whole archive of docker save: {error}") from None
    entries = found.get("manifest.json")
    if not isinstance(entries, list) or not entries:
        raise Stop(f"{archive} is no archive of docker save: it has no manifest.json")
    try:
        images = tuple(Image(tuple(entry["RepoTags"] or ()), _ids(entry, found)) for entry in entries)
    except (KeyError, TypeError):
        raise Stop(f"{archive} has a manifest.json that is not docker save's") from None
    if any(not image.names for image in images):
        raise Stop(f"{archive} holds an image without a name: save it by its name, docker save <name>:<tag>")
    return images


def _listings(file: IO[bytes]) -> dict[str, Any]:
    found = {}
    with tarfile.open(fileobj=file, mode="r:*") as tar:
        # To the end, so that an archive that was cut off is not taken for a whole one.
        for member in tar:
            if member.name in LISTINGS and member.size <= LARGEST_LISTING:
                content = tar.extractfile(member)
                found[member.name] = json.loads(content.read()) if content else None
    return found


def _ids(entry: dict[str, Any], found: dict[str, Any]) -> tuple[str, ...]:
    digests = DIGEST.findall(entry["Config"])
    for each in (found.get("index.json") or {}).get("manifests", []):
        name = each.get("annotations", {}).get("io.containerd.image.name", "")
        if any(name.endswith(tag) for tag in entry["RepoTags"] or ()):
            digests += DIGEST.findall(each["digest"])
    return tuple(f"sha256:{digest}" for digest in dict.fromkeys(digests))


def main(arguments: list[str] | None = None) -> int:
    """Print the images as JSON; the exit code is 1 when the archive is refused."""
    parser = argparse.ArgumentParser(prog="image_archive", description=__doc__)
    parser.add_argument("archive", type=Path)
    try:
        print(json.dumps([asdict(image) for image in images_of(parser.parse_args(arguments).archive)]))
    except Stop as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
