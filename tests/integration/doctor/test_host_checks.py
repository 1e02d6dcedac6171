"""The machine and what the operator has written, as the doctor sees them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flame_node_agent.doctor.host import GIB
from flame_node_agent.kit.env_text import EnvText
from flame_node_agent.kit.kit_file import write_kit
from flame_node_agent.kit.new_trust import complete
from flame_node_agent.kit.template import render_template
from tests.integration.doctor.conftest import Examined
from tests.integration.doctor.verdicts import assert_unseen, assert_well, assert_wrong

# Settings and kit


async def test_settings_that_can_be_used_tell_which_sides_are_on(examined: Examined) -> None:
    assert_well((await examined(sides="tasks"))["settings"], "the result side is off, the task side is on")
    assert_well((await examined(sides="both"))["settings"], "the result side is on, the task side is on")


async def test_settings_that_cannot_be_used_name_the_variables_and_no_value(examined: Examined) -> None:
    findings = await examined(AES_KEY_BASE64="bm90LTQ3MTE=", POLL_INTERVAL_SECONDS="never")
    assert_wrong(findings["settings"], "AES_KEY_BASE64: ", "flame-node config check")
    assert "POLL_INTERVAL_SECONDS" in findings["settings"].seen
    assert "bm90LTQ3MTE=" not in repr(findings)
    for name in ("dns", "hub", "database", "object-store"):
        assert_unseen(findings[name], "settings")


async def test_a_kit_that_is_complete_incomplete_or_missing(examined: Examined, tmp_path: Path) -> None:
    kit = tmp_path / "kit"
    text = EnvText(render_template(results=False))
    wishes = {"TRUST_NAME": "Trust_2", "CENTRAL_HUB_API_URL": "https://hub.example"}
    complete(text, wishes, results=False)
    write_kit(kit, text)
    assert_well((await examined(kit=kit))["kit"], "complete and valid")
    kit.chmod(0o644)
    assert_wrong((await examined(kit=kit))["kit"], "0644", f"keys check --kit {kit}")
    text.put("TRUST_NAME", "<fill-in>")
    write_kit(kit, text)
    assert_wrong((await examined(kit=kit))["kit"], "TRUST_NAME is still a placeholder", "keys check")
    assert_wrong((await examined(kit=tmp_path / "none"))["kit"], "there is no", "kit file")
    assert_unseen((await examined())["kit"], "--kit")


async def test_warnings_about_a_kit_do_not_make_it_wrong(examined: Examined, tmp_path: Path) -> None:
    text = EnvText(render_template(results=False))
    complete(text, {"TRUST_NAME": "T", "CENTRAL_HUB_API_URL": "https://hub.example"}, results=False)
    text.put("ENV", "development")
    text.put("POSTGRES__PASSWORD", "postgres")
    write_kit(tmp_path / "kit", text)
    assert_well((await examined(kit=tmp_path / "kit"))["kit"], "1 warning")


# Disk space


async def test_a_disk_with_room_and_one_without(examined: Examined) -> None:
    def usage(free: float, total: float = 100) -> dict[str, Any]:
        whole, left = int(total * GIB), int(free * GIB)
        return {"disk_usage": lambda path: (whole, whole - left, left)}

    assert_well((await examined(ground=usage(6)))["disk"], "6 GiB left")
    assert_wrong((await examined(ground=usage(4)))["disk"], "/ has 4.0 GiB left of 100", "5 GiB")
    assert_wrong((await examined(ground=usage(1.5, 10)))["disk"], "1.5 GiB", "2 GiB")
    assert_well((await examined(ground=usage(21, 10_000)))["disk"])


async def test_a_folder_of_the_kit_on_another_disk_is_looked_at(examined: Examined, tmp_path: Path) -> None:
    def usage(path: Path) -> tuple[int, int, int]:
        return (10 * GIB, 10 * GIB, 0) if path == tmp_path else (100 * GIB, 0, 100 * GIB)

    findings = await examined(ground={"disk_usage": usage}, OMOP_DATA_DIR=str(tmp_path))
    assert_wrong(findings["disk"], f"{tmp_path} has 0.0 GiB", "make room")


async def test_the_disk_of_this_machine_can_be_looked_at(examined: Examined) -> None:
    assert "/ has" in (await examined())["disk"].seen


# Published ports: a stand-in for Docker's command, with what the real one prints

LABEL = "com.docker.compose.project"


def container(name: str, **ports: list[dict[str, str]] | None) -> dict[str, Any]:
    named = {port.replace("_", "/").removeprefix("p"): bound for port, bound in ports.items()}
    return {"Name": f"/{name}", "Config": {"Labels": {LABEL: "trust"}}, "NetworkSettings": {"Ports": named}}


@pytest.fixture
def docker(tmp_path: Path):
    """``docker(containers)``: a command on the PATH of the node that knows these."""

    def install(containers: list[dict[str, Any]], *, code: int = 0) -> None:
        first, everything = json.dumps(containers[:1]), json.dumps(containers)
        script = tmp_path / "docker"
        script.write_text(
            "#!/bin/sh\n"
            f"[ {code} = 0 ] || exit {code}\n"
            f'if [ "$1" = ps ]; then [ "$4" = label={LABEL}=trust ] && echo one two; exit; fi\n'
            f"case $4 in trust-api) echo '{first}';; one) echo '{everything}';; *) exit 1;; esac\n"
        )
        script.chmod(0o755)

    return install


async def test_ports_that_are_open_in_the_containers_alone_are_not_published(
    examined: Examined, docker: Any
) -> None:
    docker([container("trust-api", p8000_tcp=None), container("postgres", p5432_tcp=None)])
    assert_well((await examined())["published"], "none of 2 containers")


async def test_a_published_port_of_any_container_of_the_trust_is_told(
    examined: Examined, docker: Any
) -> None:
    bound = [{"HostIp": "0.0.0.0", "HostPort": "15432"}]
    docker([container("trust-api", p8000_tcp=None), container("postgres", p5432_tcp=bound)])
    findings = await examined()
    assert_wrong(findings["published"], "postgres 5432/tcp at 0.0.0.0:15432", "ports:")


async def test_a_port_at_the_loopback_address_is_nobody_elses_to_reach(
    examined: Examined, docker: Any
) -> None:
    docker([container("trust-api", p8080_tcp=[{"HostIp": "127.0.0.1", "HostPort": "8080"}])])
    assert_well((await examined())["published"])
    docker([container("trust-api", p8080_tcp=[{"HostIp": "::", "HostPort": "8080"}])])
    assert_wrong((await examined())["published"], "trust-api 8080/tcp at :::8080", "ports:")


async def test_a_trust_whose_container_has_another_name_is_found(examined: Examined, docker: Any) -> None:
    docker([container("other", p8000_tcp=None)])
    assert_unseen((await examined(TRUST_API_CONTAINER="other-api"))["published"], "no container other-api")


async def test_where_docker_does_not_tell_nothing_is_said(examined: Examined, docker: Any) -> None:
    assert_unseen((await examined())["published"], "from here")
    docker([], code=1)
    assert_unseen((await examined())["published"], "does not tell")
    docker([])
    assert_unseen((await examined())["published"], "no container trust-api")
