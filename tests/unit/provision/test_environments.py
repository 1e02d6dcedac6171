"""A kit is not left out because PROD was forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest
from provision.said import Stop
from provision.surroundings import Surroundings, check_environment
from provision.trust_kit import find_kit, read_kit


def here(folder: Path, prod: str, **environ: str) -> Surroundings:
    path = find_kit(folder, "Trust_2", prod)
    return Surroundings(environ, read_kit(path) if path.is_file() else {}, path, prod, "Trust_2")


def write(folder: Path, name: str) -> None:
    (folder / name).write_text("TRUST_NAME=Trust_2\n")
    (folder / name).chmod(0o600)


@pytest.mark.parametrize(
    ("prod", "there", "said"),
    [
        ("", ".env.Trust_2.stag", "PROD=stag"),
        ("", ".env.Trust_2.production", "PROD=true"),
        ("true", ".env.Trust_2.stag", "PROD=stag"),
        ("stag", ".env.Trust_2.development", "no PROD"),
    ],
)
def test_a_kit_of_another_environment_is_named_with_what_chooses_it(
    tmp_path: Path, prod: str, there: str, said: str
) -> None:
    write(tmp_path, there)
    with pytest.raises(Stop) as stopped:
        check_environment(here(tmp_path, prod))
    assert f"{there} ({said})" in str(stopped.value)


@pytest.mark.parametrize("there", [".env.Trust_2.stag", ".env.Trust_2"])
def test_the_kit_of_this_environment_is_taken(tmp_path: Path, there: str) -> None:
    write(tmp_path, there)
    write(tmp_path, ".env.Trust_2.production")
    check_environment(here(tmp_path, "stag"))


def test_a_host_may_be_made_ready_before_there_is_any_kit(tmp_path: Path) -> None:
    write(tmp_path, ".env.Trust_3.stag")
    check_environment(here(tmp_path, ""))


def test_who_names_a_kit_means_that_one(tmp_path: Path) -> None:
    write(tmp_path, ".env.Trust_2.stag")
    check_environment(here(tmp_path, "", KIT_FILE=str(tmp_path / ".env.Trust_2.development")))
