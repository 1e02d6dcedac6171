"""The machine and what the operator has written, as the doctor sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flame_node_agent.doctor.findings import State
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
    assert_wrong((await examined(kit=kit))["kit"], "0644", f"chmod 600 {kit}")
    text.put("TRUST_NAME", "<fill-in>")
    write_kit(kit, text)
    assert_wrong((await examined(kit=kit))["kit"], "TRUST_NAME is still a placeholder", "put the real value")
    assert_wrong((await examined(kit=tmp_path / "none"))["kit"], "there is no", "KIT_FILE")
    assert_unseen((await examined())["kit"], "--kit")


async def test_warnings_about_a_kit_do_not_make_it_wrong(examined: Examined, tmp_path: Path) -> None:
    text = EnvText(render_template(results=False))
    complete(text, {"TRUST_NAME": "T", "CENTRAL_HUB_API_URL": "https://hub.example"}, results=False)
    text.put("ENV", "development")
    text.put("POSTGRES__PASSWORD", "postgres")
    write_kit(tmp_path / "kit", text)
    finding = (await examined(kit=tmp_path / "kit"))["kit"]
    assert finding.state is State.OK
    assert "POSTGRES__PASSWORD is a password that everybody knows" in finding.seen
    assert finding.do == "choose another"


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


# What the host alone can see


async def test_published_ports_cannot_be_seen_from_within(examined: Examined) -> None:
    assert_unseen((await examined())["published"], "make doctor-local-trust")
