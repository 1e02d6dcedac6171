"""Which images are carried to the host: NODE_IMAGE, NODE_IMAGE_ARCHIVE and IMAGE_ARCHIVES."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from provision.image_archive import images_of
from provision.said import Stop
from provision.surroundings import Surroundings

DEFAULT = "flame-node-agent:latest"
NAME = re.compile(r"[a-z0-9][a-zA-Z0-9._:/@-]*")


@dataclass(frozen=True)
class Images:
    """What the role ``flip_trust_stack`` is told of images."""

    node: str
    """Name of the node's image; empty for what the stack runs by itself."""
    node_archive: Path | None
    archives: tuple[Path, ...]
    """Those of other images, for hosts that reach no registry."""

    @property
    def has_node(self) -> bool:
        """Whether the host is told of an image of the node, or brought the one that the stack runs by itself."""
        carried = {name for path in self.archives for image in images_of(path) for name in image.names}
        return bool(self.node) or DEFAULT in carried

    @property
    def variables(self) -> dict[str, object]:
        """The same as variables of the role."""
        return {
            "flip_trust_stack_node_image": self.node,
            "flip_trust_stack_node_image_archive": str(self.node_archive or ""),
            "flip_trust_stack_image_archives": [str(path) for path in self.archives],
        }


def images(here: Surroundings) -> Images:
    """Read the variables, and look into the archives.

    Raises:
        Stop: an archive is missing, broken, or does not hold what it should.
    """
    name = here.environ.get("NODE_IMAGE", "").strip()
    if name and not NAME.fullmatch(name):
        raise Stop(
            f"NODE_IMAGE is '{name}'; it is the name of an image, such as registry.example/flame-node:0.2"
        )
    others = tuple(
        _archive("IMAGE_ARCHIVES", text) for text in here.environ.get("IMAGE_ARCHIVES", "").split()
    )
    for path in others:
        images_of(path)
    given = here.environ.get("NODE_IMAGE_ARCHIVE", "").strip()
    if not given:
        return Images(name, None, others)
    archive = _archive("NODE_IMAGE_ARCHIVE", given)
    held = [each for image in images_of(archive) for each in image.names]
    if name and name not in held:
        raise Stop(f"NODE_IMAGE is {name}, but NODE_IMAGE_ARCHIVE holds {', '.join(held)}")
    return Images(name or held[0], archive, others)


def _archive(variable: str, text: str) -> Path:
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise Stop(
            f"{variable} has {text}, and there is no such file: docker save --output <file> <image> makes it"
        )
    return path
