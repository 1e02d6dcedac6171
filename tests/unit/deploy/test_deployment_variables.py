"""Variables of the deployment: the environment has the first word, then the kit; what is empty counts as not given."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.unit.deploy.compose_files import TRUST
from tests.unit.deploy.operator import Operator
from tests.unit.kit.compose_reader import read_as_compose
from tests.unit.reference_pages import page, rows, sections

TOLD = set(rows(sections(page("deployment.md"))["Variables"]))
GIVEN_TO_MAKE_ALONE = {
    *("PROD", "KIT", "KIT_FILE", "STACK", "NODE_IMAGE", "BASE_IMAGE", "PIP_INDEX_URL", "SERVICE", "JSON"),
    *("BACKUP", "API_PORT", "JOBS", "DEPLOY_ENGINE"),
}
"""What chooses the kit, is meant for one command, or for another Compose file."""

(NAMES,) = re.findall(
    r'^DEPLOYMENT_VARIABLES="([^"]+)"', (TRUST / "scripts/compose.sh").read_text(), re.MULTILINE
)
SHOWS_ALL = '#!/bin/sh\nenv\necho arguments: "$@"\n'


def add(operator: Operator, *lines: str) -> None:
    """Write lines at the end of the kit."""
    with operator.kit.open("a") as kit:
        kit.write("".join(f"{line}\n" for line in lines))


def handed_on(operator: Operator, *arguments: str, **said: str) -> tuple[dict[str, str], str]:
    """What Docker is given when make calls Compose: variables, and arguments."""
    operator.program("docker", SHOWS_ALL)
    lines = operator.make("config-local-trust", *arguments, **said)[1].splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line), lines[-1]


def test_every_variable_of_the_deployment_can_stand_in_the_kit() -> None:
    assert set(NAMES.split()) == TOLD - GIVEN_TO_MAKE_ALONE


@pytest.mark.parametrize("name", NAMES.split())
def test_the_kit_is_heard_when_the_environment_says_nothing(operator: Operator, name: str) -> None:
    add(operator, f"{name}=kits # by hand")
    assert handed_on(operator, f"{name}=")[0][name] == "kits"
    assert handed_on(operator, **{name: ""})[0][name] == "kits"


@pytest.mark.parametrize("name", NAMES.split())
def test_the_environment_has_the_first_word(operator: Operator, name: str) -> None:
    add(operator, f"{name}=kits")
    assert handed_on(operator, **{name: "another"})[0][name] == "another"
    assert handed_on(operator, f"{name}=another")[0][name] == "another"


def test_what_neither_gives_is_not_handed_on_empty(operator: Operator) -> None:
    assert not handed_on(operator)[0].keys() & set(NAMES.split())
    assert not handed_on(operator, **dict.fromkeys(NAMES.split(), ""))[0].keys() & set(NAMES.split())


def test_what_refers_to_another_variable_is_left_to_compose(operator: Operator) -> None:
    add(operator, "POSTGRES_IMAGE=${MIRROR}/postgres:17")
    assert "POSTGRES_IMAGE" not in handed_on(operator)[0]


def test_subnets_of_the_kit_bring_their_file_along(operator: Operator) -> None:
    assert "compose.subnets.yml" not in handed_on(operator)[1]
    add(operator, "INTERNAL_SUBNET=10.9.1.0/24", "EGRESS_SUBNET=10.9.2.0/24")
    assert "-f compose.subnets.yml" in handed_on(operator)[1]


def test_an_omop_server_elsewhere_brings_the_relay_along(operator: Operator) -> None:
    arguments = handed_on(operator)[1]
    assert "compose.relay.yml" not in arguments
    assert "--profile omop-relay" not in arguments
    add(operator, "OMOP_SERVER=omop.hospital.example:5432", "OMOP_DB_SERVICE_NAME=omop.hospital.example")
    arguments = handed_on(operator)[1]
    assert "-f compose.relay.yml" in arguments
    assert "--profile omop-relay" in arguments
    assert "--profile omop " not in arguments
    assert "compose.house.yml" not in arguments
    add(operator, "HOUSE_SUBNET=10.213.3.0/28")
    assert "-f compose.house.yml" in handed_on(operator)[1]


def test_addresses_of_the_relays_network_are_nothing_without_a_relay(operator: Operator) -> None:
    add(operator, "HOUSE_SUBNET=10.213.3.0/28")
    assert "compose.house.yml" not in handed_on(operator)[1]


def test_the_folder_of_policies_that_the_kit_names_is_looked_at(operator: Operator) -> None:
    add(operator, "POLICY_DIR=policies", "ACCESS_POLICY_FILE=/etc/flame-node/policy.toml")
    assert "There is no policies/policy.toml" in operator.refused()
    (operator.folder / "policies").mkdir()
    (operator.folder / "policies/policy.toml").touch()
    assert operator.make()[0] == 0


def test_backups_go_where_the_kit_says(operator: Operator) -> None:
    add(operator, "BACKUP_DIR=elsewhere")
    assert operator.make("backup-local-trust")[0] == 0
    assert list((operator.folder / "elsewhere").glob("trust-local-2*"))


@pytest.mark.parametrize(
    "line",
    [
        "X=plain",
        "X=minio:9000 # ours",
        "X=minio:9000\t# ours",
        "X=a#b",
        "X=#no-comment",
        "X= spaced  ",
        "X='single # quoted' # said",
        'X="double # quoted" # said',
        'X="a \\" b"',
        "X='it\\'s'",
        "X=''",
        "X=",
        "X=first\nX=last",
        "# X=commented out",
    ],
)
def test_values_are_read_as_compose_reads_them(operator: Operator, line: str) -> None:
    operator.kit.write_text(f"{line}\n")
    done = subprocess.run(
        ["sh", "-euc", ". scripts/compose.sh; kit_value X"],
        cwd=operator.folder,
        env={**operator.environment(), "KIT_FILE": operator.kit.name},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.removesuffix("\n") == read_as_compose(f"{line}\n").get("X", "")
