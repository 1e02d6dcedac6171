"""Rules for the Dockerfile: hadolint's that apply, the CIS Docker benchmark's section 4, and this project's."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

from tests.unit.deploy.compose_files import ROOT

TEXT = (ROOT / "Dockerfile").read_text()
LINES = re.sub(r"\\\n\s*", " ", TEXT).splitlines()
STEPS = [line.split(maxsplit=1) for line in LINES if line and not line.startswith(("#", " "))]


def _steps(word: str) -> list[str]:
    return [rest for step, rest in STEPS if step == word]


def test_the_base_is_an_argument_and_slim_by_default() -> None:
    assert _steps("ARG")[0] == "BASE_IMAGE=python:3.13-slim"
    assert [each.split()[0] for each in _steps("FROM")] == ["${BASE_IMAGE}", "${BASE_IMAGE}"]


@pytest.mark.parametrize("word", ["RUN", "CMD"])
def test_dl3025_no_shell_is_involved(word: str) -> None:
    assert _steps(word)
    for rest in _steps(word):
        assert isinstance(json.loads(rest), list)


def test_cis_4_1_the_last_user_is_not_root() -> None:
    assert _steps("USER")[-1] == "10001:10001"


def test_cis_4_6_health_is_checked() -> None:
    assert '"flame-node", "health"' in _steps("HEALTHCHECK")[0]


def test_cis_4_9_copy_rather_than_add() -> None:
    assert _steps("ADD") == []


def test_cis_4_10_no_secret_is_asked_for() -> None:
    assert not [each for each in _steps("ARG") + _steps("ENV") if re.search("PASSWORD|SECRET|_KEY", each)]


def test_every_installation_is_pinned_by_hashes_or_needs_no_network() -> None:
    for rest in _steps("RUN"):
        if '"pip", "install"' in rest:
            assert '"--require-hashes"' in rest or '"--no-index"' in rest


def test_the_image_has_the_packages_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"VERSION={version}" in _steps("ARG")


def test_what_builds_the_package_is_what_was_tested() -> None:
    tested = (ROOT / "requirements-dev.lock").read_text()
    pins = re.findall(r"^\S+==\S+", (ROOT / "requirements-build.lock").read_text(), re.MULTILINE)
    assert any(pin.startswith("hatchling==") for pin in pins)
    assert [pin for pin in pins if f"\n{pin} " not in tested] == []


def test_the_context_lets_nothing_in_that_is_not_named() -> None:
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    assert not [rule for rule in rules if rule.startswith("!.") or "env" in rule]
