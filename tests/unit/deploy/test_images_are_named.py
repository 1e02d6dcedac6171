"""Who carries images into a building without a way out has a list of all of them, with the tags that are used."""

from __future__ import annotations

import re

from tests.unit.deploy.compose_files import ROOT, merged

PAGE = (ROOT / "docs/howto/use-a-registry-mirror.md").read_text("utf-8")
TOLD = {
    variable: image
    for image, variable in re.findall(r"^\| `([^`]+)` \|[^|]+\| `([A-Z0-9_]+)` \|", PAGE, re.MULTILINE)
}


def _default(text: str) -> tuple[str, str]:
    found = re.fullmatch(r"\$\{([A-Z0-9_]+):-([^}]+)\}", text)
    assert found is not None, f"{text}: an image has a variable and a default"
    return found[1], found[2]


def test_every_image_of_a_trust_is_listed_with_its_variable_and_tag() -> None:
    used = dict(_default(service["image"]) for service in merged("compose.yml")["services"].values())
    base = re.search(r"^ARG BASE_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert base is not None
    assert {**used, "BASE_IMAGE": base[1]} == TOLD


def test_commands_of_the_page_name_the_images_that_are_used() -> None:
    images = {image for image in TOLD.values() if "/" in image or image.startswith("postgres")}
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL):
        for name in re.findall(r"(?<![./\w-])((?:quay\.io/\S+|postgres):[\w.-]+)", block):
            assert name in images, name
