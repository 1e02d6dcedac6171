"""Targets, variables and files of the deployment are told in docs/reference/deployment.md, and what is told exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flame_node_agent.config.catalogue import catalogue
from flame_node_agent.kit.sections import NAMES
from tests.unit.deploy.compose_files import ROOT, TRUST
from tests.unit.reference_pages import assert_same, page, rows, sections

PAGE = sections(page("deployment.md"))
MAKEFILES = [ROOT / "Makefile", TRUST / "Makefile"]
COMPOSE_FILES = [*TRUST.glob("compose*.yml"), ROOT / "compose.yml"]
SCRIPTS = sorted((TRUST / "scripts").glob("*.sh"))
NOT_OF_THE_REPOSITORY = re.compile(r"(^|/)(\.env\..*|\.node-image\..*|backups/.*|__pycache__/.*)$")
TARGET = re.compile(r"^([a-z][a-z-]*)(?: [a-z -]+)?:(?!=)", re.MULTILINE)

SETTINGS = {name for entry in catalogue() for name in (entry.variable.name, *entry.variable.also_named)}
OF_IMAGES = {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB", "KEYCLOAK_ADMIN", "KEYCLOAK_ADMIN_PASSWORD"}
"""What containers are told by the names of their own images."""

OF_A_LATER_RELEASE = {"FL_CLIENT_IMAGE", "FL_CLIENT_MEMORY"}
"""Of the client for federated learning, which nothing starts yet."""

INNER = {
    # made by the Makefiles and handed on to the scripts
    *("ENVIRONMENT", "OVERLAY", "TRUST_API_CONTAINER", "PUBLISH", "BACKUP_LABEL"),
    # make's own, and short forms within one file
    *("MAKE", "MAKEFILE_LIST", "SHELL", "CURDIR", "VENV", "BIN", "INSTALLED", "DEPLOY_INSTALLED", "TRUST"),
}


def told() -> set[str]:
    return set(rows(PAGE["Variables"]))


def variables_of_makefiles() -> set[str]:
    text = "\n".join(path.read_text("utf-8") for path in MAKEFILES)
    return set(re.findall(r"\$[({]([A-Z][A-Z0-9_]*)[)}]", text)) | set(re.findall(r"\(or \$\((\w+)\)", text))


def variables_of_compose_files() -> set[str]:
    return {
        name
        for path in COMPOSE_FILES
        for name in re.findall(r"(?<!\$)\$\{([A-Z][A-Z0-9_]*)", path.read_text("utf-8"))
    }


def variables_of_scripts() -> set[str]:
    """Those that no script sets. What single quotes or a backslash protect is the container's own."""
    text = "\n".join(path.read_text("utf-8") for path in SCRIPTS)
    text = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    own = set(re.findall(r"(?:^|;|\bthen|\bdo)\s*([A-Z][A-Z0-9_]*)=", text, re.MULTILINE))
    own -= {"WAIT_SECONDS", "BACKUP", "BACKUP_DIR", "NODE_IMAGE"}  # what was given is only completed
    text = re.sub(r"sh -c '[^']*'", "", text)
    return set(re.findall(r"(?<!\\)\$\{?([A-Z][A-Z0-9_]*)", text)) - own


def test_every_target_is_told() -> None:
    documented = {
        name
        for line in PAGE["Targets"].splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([a-z-]+)`", line.split("|")[1])
    }
    provisioning = set(rows(sections(page("provisioning.md"))["Targets"]))
    real = {name for path in MAKEFILES for name in TARGET.findall(path.read_text("utf-8"))}
    assert_same(documented, real - provisioning, "deployment.md")


def test_targets_of_the_trust_alone_are_told_to_be_so() -> None:
    root = TARGET.findall((ROOT / "Makefile").read_text("utf-8"))
    for name in set(TARGET.findall((TRUST / "Makefile").read_text("utf-8"))) - set(root):
        assert rows(PAGE["Targets"])[name][0].startswith("In `trust/` only"), name


def test_every_variable_of_the_makefiles_is_told() -> None:
    assert variables_of_makefiles() - INNER <= told()


def test_every_variable_of_the_compose_files_is_told_here_or_is_the_kits() -> None:
    others = NAMES | SETTINGS | INNER | OF_IMAGES | OF_A_LATER_RELEASE
    assert variables_of_compose_files() - others <= told()


def test_every_variable_of_the_scripts_is_told() -> None:
    assert variables_of_scripts() - INNER - OF_IMAGES <= told()


def test_every_variable_that_is_told_is_read() -> None:
    read = variables_of_makefiles() | variables_of_compose_files() | variables_of_scripts()
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests/deploy").glob("*.py"))
    read |= set(re.findall(r"""environ\.get\("([A-Z_]+)"\)""", tests))
    assert told() <= read, told() - read


@pytest.mark.parametrize("name", ["POSTGRES_IMAGE", "OMOP_IMAGE", "S3_COMMAND", "S3_HEALTH_PATH"])
def test_default_that_is_told_is_that_of_compose(name: str) -> None:
    (default,) = set(re.findall(rf"\$\{{{name}:-([^}}]+)\}}", (TRUST / "compose.yml").read_text("utf-8")))
    assert rows(PAGE["Variables"])[name][1] == f"`{default}`"


@pytest.mark.parametrize("name", [name for name in rows(PAGE["Variables"]) if name.endswith("_MEMORY")])
def test_limit_of_memory_that_is_told_is_that_of_compose(name: str) -> None:
    (default,) = set(re.findall(rf"\$\{{{name}:-([^}}]+)\}}", (TRUST / "compose.yml").read_text("utf-8")))
    assert rows(PAGE["Variables"])[name][1] == default


def test_every_file_is_told() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in (TRUST, ROOT / "docker")
        for path in folder.rglob("*")
        if path.is_file()
    }
    found = {name for name in found if not NOT_OF_THE_REPOSITORY.search(name.removeprefix("trust/"))}
    assert_same(set(rows(PAGE["Files"])), found | {"Makefile", "Dockerfile", "compose.yml"}, "deployment.md")


def test_every_service_is_told_with_its_networks() -> None:
    services: dict[str, str] = {}
    for line in PAGE["Services"].splitlines():
        if line.startswith("| `"):
            cells = line.split("|")
            for name in re.findall(r"`([a-z-]+)`", cells[1].partition("(")[0]):
                services[name] = cells[3]
    compose = _services(TRUST / "compose.yml")
    assert_same(set(services), set(compose), "deployment.md")
    for name, text in services.items():
        assert ("egress" in text) == ("egress" in compose[name]), name


def _services(path: Path) -> dict[str, str]:
    """Each service's own part of the file."""
    body = path.read_text("utf-8").partition("\nservices:\n")[2].partition("\nnetworks:\n")[0]
    _, *parts = re.split(r"^  ([a-z-]+):$", body, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))
