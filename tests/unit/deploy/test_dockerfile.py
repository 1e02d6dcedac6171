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


def test_cis_4_2_the_base_can_be_named_by_its_digest() -> None:
    assert "ARG BASE_IMAGE=" in TEXT
    assert all("@" not in each and ":" not in each.split()[0] for each in _steps("FROM"))


def test_cis_4_3_and_4_7_no_package_of_the_system_is_added_or_updated() -> None:
    assert not [each for each in _steps("RUN") if re.search("apt|dpkg|apk|yum|dnf", each)]
    assert any('"uninstall", "--yes", "pip"' in each for each in _steps("RUN"))


def test_cis_4_8_programs_lose_their_setuid_bits_in_the_last_stage() -> None:
    last = TEXT.rpartition("\nFROM ")[2]
    assert '"-perm", "/6000"' in last
    assert last.index("/6000") < last.index("\nUSER ")


def test_cis_4_11_every_installation_is_pinned_by_hashes_or_needs_no_network() -> None:
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


class TestHadolint:
    """Its rules that apply here, by id (https://github.com/hadolint/hadolint#rules)."""

    def test_dl3000_the_folder_of_work_is_absolute(self) -> None:
        assert all(each.startswith("/") for each in _steps("WORKDIR"))

    def test_dl3001_no_command_that_makes_no_sense_in_a_container(self) -> None:
        senseless = {"ssh", "vim", "shutdown", "service", "ps", "free", "top", "kill", "mount"}
        assert not [each for each in _steps("RUN") if json.loads(each)[0] in senseless]

    def test_dl3002_and_dl3004_neither_root_at_the_end_nor_sudo(self) -> None:
        assert _steps("USER")[-1].split(":")[0] not in {"0", "root"}
        assert not [each for each in _steps("RUN") if "sudo" in each]

    def test_dl3003_folders_are_not_changed_within_a_step(self) -> None:
        assert not [each for each in _steps("RUN") if json.loads(each)[0] == "cd"]

    def test_dl3006_and_dl3007_the_base_has_a_tag_other_than_latest(self) -> None:
        tag = _steps("ARG")[0].rpartition(":")[2]
        assert re.match(r"\d", tag)

    def test_dl3011_ports_are_valid(self) -> None:
        assert all(0 < int(port) < 65536 for each in _steps("EXPOSE") for port in each.split())

    def test_dl3012_and_dl4003_and_dl4004_one_health_check_one_command_no_entrypoint(self) -> None:
        last = TEXT.rpartition("\nFROM ")[2]
        assert [last.count(f"\n{word} ") for word in ("HEALTHCHECK", "CMD", "ENTRYPOINT")] == [1, 1, 0]

    def test_dl3013_and_dl3042_python_packages_are_pinned_and_not_cached(self) -> None:
        assert "PIP_NO_CACHE_DIR=1" in TEXT
        for step in (json.loads(each) for each in _steps("RUN")):
            if step[1:4] == ["-m", "pip", "install"]:
                assert "-r" in step or "--no-index" in step

    def test_dl3020_and_dl3010_files_are_copied_and_no_archive_is_unpacked(self) -> None:
        assert not [each for each in _steps("COPY") if re.search(r"\.(tar|tgz|zip)", each)]

    def test_dl3021_several_sources_go_to_a_folder(self) -> None:
        for each in _steps("COPY"):
            words = each.split()
            assert len(words) == 2 or words[-1].endswith("/") or words[0].startswith("--from")

    def test_dl3022_and_dl3023_files_come_from_another_named_stage(self) -> None:
        names = {each.split()[-1] for each in _steps("FROM") if " AS " in each}
        assert {name for each in _steps("COPY") for name in re.findall(r"--from=(\S+)", each)} <= names

    def test_dl3024_names_of_stages_are_unique(self) -> None:
        names = [each.split()[-1] for each in _steps("FROM") if " AS " in each]
        assert len(names) == len(set(names))

    def test_dl3029_no_platform_is_forced(self) -> None:
        assert not [each for each in _steps("FROM") if "--platform" in each]

    def test_dl3044_no_variable_refers_to_one_of_the_same_step(self) -> None:
        for each in _steps("ENV"):
            names = set(re.findall(r"(\w+)=", each))
            assert not names & set(re.findall(r"\$\{?(\w+)", each)) - set(_argument_names())

    def test_dl3045_what_is_copied_has_a_folder_to_go_to(self) -> None:
        assert TEXT.index("\nWORKDIR ") < TEXT.index("\nCOPY ")

    def test_dl3048_to_dl3058_labels_are_those_of_the_open_container_initiative(self) -> None:
        names = re.findall(r"([\w.]+)=", _steps("LABEL")[0])
        labels = [name for name in names if name.startswith("org.")]
        assert len(labels) == len(set(labels)) >= 8
        assert all(name.startswith("org.opencontainers.image.") for name in labels)

    def test_dl3059_steps_are_one_command_each_as_no_shell_joins_them(self) -> None:
        # The rule asks to join steps; without a shell that cannot be done, and stages keep the layers few.
        assert (
            len([each for each in TEXT.rpartition("\nFROM ")[2].splitlines() if each.startswith("RUN")]) <= 1
        )

    def test_dl3061_only_arguments_stand_before_the_base(self) -> None:
        words = [step for step, _ in STEPS]
        assert set(words[: words.index("FROM")]) == {"ARG"}

    def test_dl4000_no_maintainer(self) -> None:
        assert _steps("MAINTAINER") == []


def _argument_names() -> list[str]:
    return [each.partition("=")[0] for each in _steps("ARG")]
