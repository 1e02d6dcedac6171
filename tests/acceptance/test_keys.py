"""From no kit at all to a hub that knows the trust, with the commands that an operator calls."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from dotenv import dotenv_values

from flame_node_agent.config.private_key import parse_private_key
from flame_node_agent.crypto.keys import parse_peer_key
from flame_node_agent.devstack.hub_server import PROFILES, HubServer
from flame_node_agent.devstack.nodes import NodeRegister
from flame_node_agent.devstack.ports import free_ports
from flame_node_agent.devstack.private_files import read_json, write_json
from flame_node_agent.devstack.seed import SEED_FILE, HubSeed
from tests.acceptance.commands import flame_node
from tests.conftest import EnvironmentFactory

SECRET = ("KEY", "KEY_BASE64", "PASSWORD", "SECRET")


@dataclass(frozen=True)
class Operator:
    """Somebody with a terminal in an empty folder."""

    folder: Path

    @property
    def kit(self) -> Path:
        return self.folder / ".env.Trust_2"

    def keys(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return flame_node("keys", *arguments, "--kit", str(self.kit), environment={}, directory=self.folder)

    def values(self) -> dict[str, str]:
        return {name: value for name, value in dotenv_values(self.kit).items() if value}

    def secrets(self) -> list[str]:
        return [value for name, value in self.values().items() if name.endswith(SECRET)]


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


@pytest.fixture
def made(operator: Operator) -> Operator:
    ended = operator.keys(
        "new-trust", "--trust-name", "Trust_2", "--hub-url", "https://hub.example", "--without-results"
    )
    assert ended.returncode == 0, ended.stderr
    return operator


def test_a_new_kit_is_complete_private_and_no_command_shows_a_secret(operator: Operator) -> None:
    arguments = ("--trust-name", "Trust_2", "--hub-url", "https://hub.example")
    told = [operator.keys("new-trust", *arguments), operator.keys("new-trust", *arguments)]
    assert stat.S_IMODE(operator.kit.stat().st_mode) == 0o600
    told += [operator.keys("show-public"), operator.keys("show-public", "--json"), operator.keys("check")]
    told += [operator.keys("rotate", "api-key"), operator.keys("rotate", "ecdh-key")]
    output = "".join(each.stdout + each.stderr for each in told)
    assert "TRUST_API_KEY" in output
    before = dotenv_values(f"{operator.kit}.previous")
    secret = operator.secrets() + [value for name, value in before.items() if value and name.endswith(SECRET)]
    drawn = [value for value in secret if len(value) > 30]
    assert len(drawn) > 20
    assert not [value for value in drawn if value in output]
    assert {path.name for path in operator.folder.iterdir()} == {".env.Trust_2", ".env.Trust_2.previous"}


def test_a_kit_with_something_open_fails_the_check_until_it_is_filled_in(operator: Operator) -> None:
    operator.keys("new-trust", "--hub-url", "https://hub.example", "--without-results")
    refused = operator.keys("check")
    assert refused.returncode == 1
    assert refused.stdout.startswith("problem  TRUST_NAME: is still a placeholder; put the real value there")
    operator.kit.write_text(operator.kit.read_text().replace("TRUST_NAME=<fill-in>", "TRUST_NAME=Trust_2"))
    accepted = operator.keys("check")
    assert (accepted.returncode, accepted.stdout) == (0, f"{operator.kit} is complete and valid.\n")


def test_the_agent_and_data_access_would_start_with_the_kit(made: Operator) -> None:
    for service in ("agent", "data-access"):
        ended = flame_node(
            "config",
            "check",
            "--env-file",
            str(made.kit),
            "--service",
            service,
            environment={},
            directory=made.folder,
        )
        assert ended.returncode == 0, ended.stderr


def test_what_is_there_is_never_overwritten(made: Operator) -> None:
    before = made.kit.read_bytes()
    again = made.keys("new-trust", "--without-results")
    assert again.returncode == 0
    assert "Made" not in again.stdout
    refused = made.keys("new-trust", "--trust-name", "Trust_3")
    assert refused.returncode == 1
    assert "TRUST_NAME" in refused.stderr
    assert made.kit.read_bytes() == before


def test_what_is_shown_is_what_flame_and_flip_hubs_take(operator: Operator) -> None:
    operator.keys("new-trust", "--trust-name", "Trust_2")
    shown = json.loads(operator.keys("show-public", "--json").stdout)
    own = parse_private_key(operator.values()["CRYPTO__ECDH_PRIVATE_KEY"])
    assert parse_peer_key(shown["ecdh_public_key_hex"], own) == own.public_key()
    assert json.loads(shown["trust_api_key_hashes"]) == {"Trust_2": shown["api_key_sha256"]}


def test_a_missing_kit_is_told(operator: Operator) -> None:
    for command in (("show-public",), ("rotate", "api-key"), ("check",)):
        ended = operator.keys(*command)
        assert ended.returncode == 1
        assert "there is no" in ended.stderr
        assert "Traceback" not in ended.stderr


@pytest.fixture
def hub_of(tmp_path: Path, nodes: NodeRegister) -> Iterator[Callable[[dict[str, str]], HubServer]]:
    """A hub that has been given what the administrator of a hub is given of a kit."""
    started: list[HubServer] = []

    def start(kit: dict[str, str]) -> HubServer:
        directory = tmp_path / "hub"
        HubSeed.load(directory, nodes)
        seed = read_json(directory / SEED_FILE)
        seed["trust"] |= {"name": kit["TRUST_NAME"], "api_key": kit["TRUST_API_KEY"]}
        seed["aes_key_base64"] = kit["AES_KEY_BASE64"]
        write_json(directory / SEED_FILE, seed)
        started.append(HubServer(directory, port=free_ports(1)[0], profile=PROFILES[0]))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.stop()


def test_a_hub_accepts_the_trust_until_its_key_is_rotated(
    made: Operator, hub_of: Callable[[dict[str, str]], HubServer], node_env: EnvironmentFactory
) -> None:
    hub = hub_of(made.values())
    ours = {
        "TRUST_API_KEY",
        "AES_KEY_BASE64",
        "TRUST_NAME",
        "EXPECTED_TRUST_ID",
        "TRUST_INTERNAL_SERVICE_KEY",
    }
    surroundings = {name: value for name, value in node_env(sides="tasks").items() if name not in ours}
    surroundings["CENTRAL_HUB_API_URL"] = hub.urls.api

    def states() -> dict[str, str]:
        ended = flame_node(
            "doctor", "--json", "--env-file", str(made.kit), environment=surroundings, directory=made.folder
        )
        return {each["check"]: each["state"] for each in json.loads(ended.stdout)["checks"]}

    before = states()
    assert [before[name] for name in ("hub", "api-key", "identity", "aes-key")] == ["ok"] * 4
    told = made.keys("rotate", "api-key").stdout
    assert "1. Send the hub's administrator the new hash" in told
    assert [states()[name] for name in ("hub", "api-key")] == ["ok", "failed"]
    previous = made.kit.with_name(made.kit.name + ".previous")
    previous.replace(made.kit)
    assert states()["api-key"] == "ok"
