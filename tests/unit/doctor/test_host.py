"""What the doctor makes of a machine: Docker, kit, disks and volumes, each line seen well and wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flame_node_agent.doctor import host
from flame_node_agent.doctor.findings import Finding, State
from flame_node_agent.doctor.ground import Service
from flame_node_agent.doctor.host import COMPOSE_AT_LEAST, ENGINE_AT_LEAST, GIB
from flame_node_agent.doctor.host_facts import read_host_facts
from flame_node_agent.kit.env_text import EnvText
from flame_node_agent.kit.kit_file import write_kit
from tests.integration.doctor.verdicts import assert_well, assert_wrong
from tests.unit.deploy.compose_files import TRUST
from tests.unit.doctor.hosts import container, report, told
from tests.unit.doctor.looking import ROOMY, finding, kit_text, look, others


async def test_a_healthy_host_is_well_in_every_line(kit: Path) -> None:
    sections = await look(told(), kit)
    assert list(sections) == [Service.HOST, Service.AGENT, Service.DATA_ACCESS]
    wrong = {
        name: each for name, each in sections[Service.HOST].items() if each.state is not State.OK or each.do
    }
    assert wrong == {}
    for service in (Service.AGENT, Service.DATA_ACCESS):
        assert set(sections[service].values()) == {Finding(State.OK, "fine")}
        assert not sections[service].keys() & sections[Service.HOST].keys()


# The engine


@pytest.mark.parametrize(
    ("parts", "said", "do"),
    [
        ({"engine": "19.3.2"}, "Docker 19.3.2 is too old", "20.10"),
        ({"compose": "2.23.9"}, "Compose 2.23.9 is too old", "2.24.0"),
        ({"compose": []}, "not installed", "docker-compose-plugin"),
    ],
)
async def test_an_engine_that_is_too_old(parts: dict[str, Any], said: str, do: str) -> None:
    assert_wrong(await finding("engine", told(**parts)), said, do)


async def test_versions_are_compared_as_numbers() -> None:
    assert_well(await finding("engine", told(engine="27.0.3", compose="v2.100.0-desktop.1")), "Docker 27.0.3")


def test_the_versions_are_those_that_the_start_asks_for() -> None:
    preflight = (TRUST / "scripts" / "preflight.sh").read_text()
    assert f"ENGINE_AT_LEAST={ENGINE_AT_LEAST}\n" in preflight
    assert f"COMPOSE_AT_LEAST={COMPOSE_AT_LEAST}\n" in preflight


# The kit, as PROD uses it


async def test_a_default_password_is_wrong_in_production_and_noted_in_development(kit: Path) -> None:
    text = kit_text()
    text.put("POSTGRES__PASSWORD", "postgres")
    write_kit(kit, text)
    assert_wrong(await finding("kit", told(), kit), "POSTGRES__PASSWORD is a password", "choose another")
    noted = await finding("kit", told(overlay="development"), kit)
    assert (noted.state, noted.do) == (State.OK, "choose another")


async def test_a_kit_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    seen = await finding("kit", told(), tmp_path / "none")
    assert_wrong(seen, "flame-node keys new-trust", "KIT_FILE")


# Disks


async def test_dockers_folder_the_volumes_and_the_kits_folders_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "VOLUMES", tmp_path)
    (tmp_path / "postgres").mkdir()

    def full(place: Path) -> Callable[[Path], tuple[int, int, int]]:
        return lambda path: (10 * GIB, 10 * GIB, 0) if path == place else ROOMY

    wrong = await finding("disk", told(), disk_usage=full(Path("/")))
    assert_wrong(wrong, "Docker's folder has 0.0 GiB", "docker system df")
    wrong = await finding("disk", told(), disk_usage=full(tmp_path / "postgres"))
    assert_wrong(wrong, "the volume postgres has 0.0 GiB", "make room")
    line = "/opt/flip/data images\t/dev/mapper/big disk 10485760 10000000 485760 96% /opt"
    assert_wrong(
        await finding("disk", told(folders=[line])), "/opt/flip/data images has 0.5 GiB", "make room"
    )
    assert_well(await finding("disk", told(folders=[line.replace(" 485760 ", " 9485760 ")])), "9 GiB left")


# Volumes and the kit


REFUSED = ("failed", 'FATAL: password authentication failed for user "node"', "check POSTGRES__PASSWORD")


@pytest.mark.parametrize(
    ("who", "service", "states", "volume"),
    [
        ("agent", Service.AGENT, {"database": REFUSED}, "postgres"),
        ("data_access", Service.DATA_ACCESS, {"omop_role": REFUSED}, "omop"),
    ],
)
async def test_a_password_that_is_younger_than_the_database_explains_why_it_is_refused(
    kit: Path, who: str, service: Service, states: dict[str, tuple[str, str, str]], volume: str
) -> None:
    text = told(**{who: report(service, **states)})
    younger, older = (datetime(2026, 11, day, tzinfo=UTC).timestamp() for day in (21, 19))
    os.utime(kit, (younger, younger))
    seen = await finding("volumes", text, kit)
    assert_wrong(
        seen, f"the volume {volume} is of 2026-11-20, the kit was changed on 2026-11-21", "ALTER ROLE"
    )
    os.utime(kit, (older, older))
    assert_well(await finding("volumes", text, kit), "postgres of 2026-11-20")


# What is told


@pytest.mark.parametrize(
    "text", ["", "hello", "# agent\n{}", told(containers=["{}"]), told(images=["no json"])]
)
def test_what_is_no_account_of_a_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host"):
        read_host_facts(text)


async def test_no_secret_of_the_kit_is_in_what_is_said(kit: Path) -> None:
    secret = kit_text().values["POSTGRES__USER"]  # not secret: is repeated
    password = EnvText(kit.read_text()).values["POSTGRES__PASSWORD"]
    shown = others(container("postgres", status=f"{password} {secret}"))
    seen = await finding("containers", told(*shown), kit)
    assert password not in repr(seen)
    assert secret in seen.seen


def test_the_script_measures_the_folders_that_the_kit_names() -> None:
    script = (TRUST / "scripts" / "doctor.sh").read_text()
    assert f'FOLDERS="{" ".join(host.FOLDERS)}"' in script


def test_what_the_script_asks_for_is_never_the_environment_of_a_container() -> None:
    script = (TRUST / "scripts" / "doctor.sh").read_text()
    assert ".Config.Env" not in script
    assert "docker.sock" not in script
