"""The page about taking a trust away names everything that starting and provisioning it has left."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.deploy.compose_files import ROOT, merged
from tests.unit.reference_pages import page, rows, sections

COMPOSE = merged("compose.yml")
STACK = "trust-local"
REMOVAL = (ROOT / "docs/howto/remove-a-trust.md").read_text("utf-8")
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def test_every_volume_is_removed() -> None:
    (command,) = re.findall(r"^ *sudo docker volume rm (.*)$", REMOVAL, re.MULTILINE)
    assert set(command.split()) == {f"{STACK}_{name}" for name in COMPOSE["volumes"]}


@pytest.mark.parametrize("file", rows(sections(page("provisioning.md"))["On the host"]))
def test_every_file_on_the_host_is_removed_or_said_to_stay(file: str) -> None:
    # The firewall's rules go with their folder.
    assert file in REMOVAL or f"`{file.rpartition('/')[0]}`" in REMOVAL


def test_every_unit_is_stopped_before_its_file_goes() -> None:
    for unit in ("flip-trust", "flip-firewall"):
        stopped = REMOVAL.index(f"systemctl disable --now {unit}")
        assert stopped < REMOVAL.index(f"/etc/systemd/system/{unit}.service")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_volumes_networks_and_containers_that_pages_name_exist(path: Path) -> None:
    text = path.read_text("utf-8")
    kept = {*COMPOSE["volumes"], *COMPOSE["networks"]}
    assert set(re.findall(rf"\b{STACK}_([a-z]+)\b", text)) <= kept
    assert set(re.findall(rf"\b{STACK}-([a-z-]+)-1\b", text)) <= set(COMPOSE["services"])
