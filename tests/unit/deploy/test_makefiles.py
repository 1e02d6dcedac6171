"""The Makefiles: what they list, what they forward, and what a target says that lacks a variable."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.deploy.compose_files import ROOT
from tests.unit.deploy.operator import Operator

WIDEST = 100
ROOT_MAKEFILE = (ROOT / "Makefile").read_text()
TRUST_MAKEFILE = (ROOT / "trust" / "Makefile").read_text()
PROVISIONING = (ROOT / "ansible" / "targets.mk").read_text()
INSIDE_ALONE = {"config-local-trust"}
"""It shows secrets, so it is asked for where the kit is."""

# Not those of a make around the tests, which would have these say where they are.
SURROUNDINGS = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


def _rules(makefile: str, pattern: str = r"[a-z][a-z-]*") -> dict[str, str]:
    """Rules and their line in the help."""
    found = re.findall(rf"^({pattern}):[^=\n]*?(?:## (.*))?$", makefile, re.MULTILINE)
    return {name: text for name, text in found if text or name not in dict(found)}


def _make(folder: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env={**SURROUNDINGS, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture
def checkout(operator: Operator) -> Path:
    """The repository's Makefiles around the operator's folder, with provisioning's tools as if installed."""
    root = operator.folder.parent
    for name in ("Makefile", "pyproject.toml", "requirements-dev.lock"):
        shutil.copy(ROOT / name, root)
    for name in ("ansible", "scripts"):
        shutil.copytree(ROOT / name, root / name)
    # Amazon's library is not reached: it is asked for nothing before the variables are there.
    for name, text in (
        ("boto3.py", ""),
        ("botocore/__init__.py", ""),
        (
            "botocore/exceptions.py",
            "class BotoCoreError(Exception): ...\nclass ClientError(Exception): ...\n",
        ),
    ):
        (root / "scripts" / name).parent.mkdir(exist_ok=True)
        (root / "scripts" / name).write_text(text)
    for venv in (".venv", ".venv-deploy"):
        (root / venv / "bin").mkdir(parents=True)
        (root / venv / "bin" / "python").symlink_to(ROOT / ".venv" / "bin" / "python")
        (root / venv / ".installed").touch()
    return root


@pytest.mark.parametrize("folder", [ROOT, ROOT / "trust"], ids=["root", "trust"])
def test_the_list_of_commands_is_complete_and_fits_a_terminal(folder: Path) -> None:
    lines = _make(folder, "help").splitlines()
    assert max(map(len, lines)) <= WIDEST
    listed = {line.split()[1] for line in lines}
    makefile = ROOT_MAKEFILE + PROVISIONING if folder == ROOT else TRUST_MAKEFILE
    (phony,) = re.findall(r"^\.PHONY: ((?:.*\\\n)*.*)$", (folder / "Makefile").read_text(), re.MULTILINE)
    assert listed == set(_rules(makefile)) >= set(phony.replace("\\", " ").split())
    assert all(len(line.split(maxsplit=2)) == 3 for line in lines)


def test_every_command_for_a_trust_has_a_rule_at_the_root_and_the_same_help() -> None:
    inside, at_the_root = _rules(TRUST_MAKEFILE, r"[a-z]+-local-trust"), _rules(ROOT_MAKEFILE)
    assert {name: at_the_root.get(name) for name in inside if name not in INSIDE_ALONE} == {
        name: text for name, text in inside.items() if name not in INSIDE_ALONE
    }


@pytest.mark.parametrize("target", ["up-local-trust", "add-local-trust", "full-deploy-hybrid"])
def test_the_seeds_own_commands_are_found_in_the_makefile_at_the_root(target: str) -> None:
    assert re.search(rf"^{target}:", ROOT_MAKEFILE, re.MULTILINE)


def test_the_root_forwards_with_the_same_defaults(operator: Operator, checkout: Path) -> None:
    said = _make(checkout, "check-local-trust", **operator.environment())
    assert said == "Everything is ready for make up-local-trust.\n"


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("restore-local-trust", "Which backup?"),
        ("restore-local-trust BACKUP=backups/none", "There is no complete backup in backups/none."),
        ("rollback-local-trust", "No backup in backups belongs to another image"),
        ("rollback-local-trust BACKUP=backups/none", "does not say which image it belongs to"),
        ("up-local-trust KIT=Trust_9", "There is no kit .env.Trust_9.stag"),
        ("up-local-trust KIT_FILE=elsewhere", "There is no kit elsewhere"),
        ("backup-local-trust KIT=Trust_9", "There is no kit .env.Trust_9.stag"),
        ("upgrade-local-trust", "The trust does not run, so there is nothing to upgrade."),
        ("restart-local-trust", "The trust trust-local does not run."),
        ("logs-local-trust", "The trust trust-local does not run."),
        ("status-local-trust", "The trust trust-local does not run."),
    ],
)
@pytest.mark.parametrize("place", ["trust", "."])
def test_what_a_command_for_a_trust_says_that_lacks_something(
    operator: Operator, checkout: Path, place: str, command: str, missing: str
) -> None:
    said = _make(checkout / place, *command.split(), **operator.environment())
    assert missing in said
    assert "✘" in said
    assert "Traceback" not in said
    assert not operator.called(" up ")


@pytest.mark.parametrize("given", ["environment", "argument"])
@pytest.mark.parametrize("url", ["https://me:secret@mirror.example/simple", "https://token@mirror.example/"])
def test_an_index_with_credentials_is_refused_and_not_shown(
    operator: Operator, checkout: Path, given: str, url: str
) -> None:
    arguments = [f"PIP_INDEX_URL={url}"] if given == "argument" else []
    variables = {"PIP_INDEX_URL": url} if given == "environment" else {}
    said = _make(checkout, "image", *arguments, **operator.environment(**variables))
    assert "PIP_INDEX_URL has a user or a password in it" in said
    assert "secret" not in said
    assert "token" not in said
    assert not operator.called("build")


@pytest.mark.parametrize("url", ["", "https://mirror.example/simple", "https://mirror.example/@team/simple"])
def test_an_index_without_credentials_is_taken(operator: Operator, checkout: Path, url: str) -> None:
    operator.program("docker", '#!/bin/sh\necho "$@"\n')
    said = _make(checkout, "image", f"PIP_INDEX_URL={url}", **operator.environment())
    assert ("--build-arg PIP_INDEX_URL=" in said) == bool(url)
    assert "✘" not in said


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("add-local-trust", "LOCAL_TRUST_IP"),
        ("allow-local-trust", "LOCAL_TRUST_IP"),
        ("full-deploy-hybrid", "PROD"),
        ("full-deploy-hybrid PROD=stag", "HUB_DIR"),
    ],
)
def test_what_a_command_for_a_host_says_that_lacks_something(
    checkout: Path, command: str, missing: str
) -> None:
    nothing = dict.fromkeys(("LOCAL_TRUST_IP", "ANSIBLE_BECOME_PASS", "PROD", "HUB_DIR"), "")
    said = _make(checkout, *command.split(), **nothing)
    assert missing in said
    assert "Traceback" not in said
    assert "Error 1" in said or "Error 2" in said
