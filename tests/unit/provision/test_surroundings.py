"""What the make targets are told is judged before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from provision.said import Stop
from provision.surroundings import (
    Surroundings,
    look_around,
    need_become_password,
    public_address,
    required_address,
    ssh_key,
)


def here(environ: dict[str, str], kit: dict[str, str] | None = None) -> Surroundings:
    return Surroundings(environ, kit or {}, Path("kit"), "stag", "Trust_2")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "trust.example",
        "10.1.2.3",
        "192.168.1.1",
        "172.31.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "203.0.113.7/32",
        "::1",
    ],
)
def test_an_address_that_the_hub_cannot_see_is_refused(text: str) -> None:
    with pytest.raises(Stop, match="LOCAL_TRUST_IP"):
        public_address(text)


def test_a_public_address_is_taken() -> None:
    assert required_address(here({"LOCAL_TRUST_IP": " 203.0.113.7 "}), "") == "203.0.113.7"


def test_a_missing_address_is_said_with_the_command() -> None:
    with pytest.raises(Stop, match="LOCAL_TRUST_IP is missing: make it so"):
        required_address(here({}), "make it so")


def test_the_environment_has_precedence_over_the_kit() -> None:
    assert here({"FL_SERVER_PORT": "9000"}, {"FL_SERVER_PORT": "8002"}).fl_port == 9000
    assert here({"FL_SERVER_PORT": ""}, {"FL_SERVER_PORT": "8012"}).fl_port == 8012
    assert here({}).fl_port == 8002


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "8002/tcp"])
def test_a_port_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Stop, match="FL_SERVER_PORT"):
        _ = here({"FL_SERVER_PORT": text}).fl_port


def test_the_date_of_the_kit_is_the_backends_own() -> None:
    dates = {"FLARE_KIT_DATE": "20261101", "FLOWER_KIT_DATE": "20261102"}
    assert here(dates).fl_kit_date == "20261101"
    assert here({**dates, "FL_BACKEND": "flower"}).fl_kit_date == "20261102"


def test_a_key_that_ssh_would_refuse_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "key"
    with pytest.raises(Stop, match="no such file"):
        ssh_key(here({"LOCAL_TRUST_SSH_KEY": str(key)}))
    key.write_text("key")
    key.chmod(0o644)
    with pytest.raises(Stop, match="chmod 600"):
        ssh_key(here({"LOCAL_TRUST_SSH_KEY": str(key)}))
    key.chmod(0o600)
    assert ssh_key(here({"LOCAL_TRUST_SSH_KEY": str(key)})) == key


def test_no_key_means_this_machine() -> None:
    assert ssh_key(here({})) is None


def test_a_missing_become_password_is_said_for_both_shells() -> None:
    with pytest.raises(Stop) as stopped:
        need_become_password({}, uid=1000, sudo=lambda: False)
    assert "read -rsp 'Sudo password: ' ANSIBLE_BECOME_PASS" in str(stopped.value)
    assert "set -x ANSIBLE_BECOME_PASS" in str(stopped.value)


@pytest.mark.parametrize(
    ("environ", "uid", "sudo"),
    [({"ANSIBLE_BECOME_PASS": "x"}, 1000, False), ({}, 0, False), ({}, 1000, True)],
)
def test_no_become_password_is_needed_where_there_is_one_or_sudo_does_not_ask(
    environ: dict[str, str], uid: int, sudo: bool
) -> None:
    need_become_password(environ, uid=uid, sudo=lambda: sudo)


@pytest.mark.parametrize(
    ("environ", "kit", "name"),
    [
        ({}, {}, ""),
        ({"KIT": "Trust_2"}, {}, "Trust_2"),
        ({}, {"TRUST_NAME": "North"}, "North"),
        ({"KIT": "Trust_2"}, {"TRUST_NAME": "North"}, "North"),
        ({}, {"TRUST_API_KEY": "a"}, "Trust_2"),
        ({"TRUST_NAME": "South"}, {"TRUST_NAME": "North"}, "South"),
    ],
)
def test_a_trust_has_a_name_only_where_kit_or_operator_gives_one(
    environ: dict[str, str], kit: dict[str, str], name: str
) -> None:
    assert here(environ, kit).trust_name == name


def test_an_unknown_prod_is_refused() -> None:
    with pytest.raises(Stop, match="PROD is 'prod'"):
        look_around({"PROD": "prod"})


def test_a_kit_that_others_can_read_is_refused(tmp_path: Path) -> None:
    kit = tmp_path / "kit"
    kit.write_text("A=1\n")
    kit.chmod(0o640)
    with pytest.raises(Stop, match="chmod 600"):
        look_around({"KIT_FILE": str(kit)})


def test_placeholders_of_a_kit_are_no_values(tmp_path: Path) -> None:
    kit = tmp_path / "kit"
    kit.write_text("# A=0\nTRUST_API_KEY=<run-make>\nexport B='two words'\nC=\n")
    kit.chmod(0o600)
    assert look_around({"KIT_FILE": str(kit)}).kit == {"B": "two words"}
