"""Targets, variables and files of the deployment are told in docs/reference/deployment.md, and what is told exists."""

from __future__ import annotations

import re

from tests.unit.deploy.compose_files import ROOT, TRUST
from tests.unit.reference_pages import assert_same, page, rows, sections

PAGE = sections(page("deployment.md"))
SOURCES = [
    *TRUST.glob("compose*.yml"),
    TRUST / "Makefile",
    *(TRUST / "scripts").glob("*.sh"),
    ROOT / "compose.yml",
]
OF_THE_KIT = re.compile(
    "^(?:.*__.*|ENV|TRUST_.*|AES_.*|OMOP_(?:DB|POSTGRES)_.*|DATA_ACCESS_.*|COHORT_.*|CACHE_.*|SNAPSHOT_.*|"
    "ACCESS_POLICY_FILE|KEYCLOAK_ADMIN.*|FL_CLIENT_.*|BASE_IMAGE|POSTGRES_(?:USER|PASSWORD|DB))$"
)
"""What the kit gives, and what a container is told by its own image's names."""


def test_targets() -> None:
    documented = set(rows(PAGE["Targets"])) - {"image", "sbom", "test-deploy"}
    real = set(re.findall(r"^([a-z-]+):.*## ", (TRUST / "Makefile").read_text(), re.MULTILINE)) - {"help"}
    assert_same(documented, real, "deployment.md")


def test_every_variable_of_the_compose_files_is_told() -> None:
    named = {name for path in SOURCES for name in re.findall(r"\$\{([A-Z][A-Z0-9_]*):-", path.read_text())}
    named = {name for name in named if not OF_THE_KIT.match(name)} - {"PUBLISH"}
    assert not named - set(rows(PAGE["Variables"]))


def test_files() -> None:
    for name in re.findall(
        r"`([\w./-]+)`", "\n".join(line.split("|")[1] for line in PAGE["Files"].splitlines() if "|" in line)
    ):
        assert (ROOT / name).exists(), name
