"""Files, ports and settings that the development stack stands on."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from flame_node_agent.config.agent_settings import load_agent
from flame_node_agent.devstack.agent_server import AgentServer, settings_passed_on
from flame_node_agent.devstack.data_access_server import cohort_settings_passed_on
from flame_node_agent.devstack.hub.__main__ import argument_parser
from flame_node_agent.devstack.hub_server import Profile
from flame_node_agent.devstack.nodes import NodeRegister
from flame_node_agent.devstack.ports import LOOPBACK, await_ports, free_ports, is_free
from flame_node_agent.devstack.postgres import PostgresAccess
from flame_node_agent.devstack.private_files import read_json, write_json
from flame_node_agent.devstack.processes import StackError
from flame_node_agent.devstack.seed import HubSeed, default_flow
from flame_node_agent.devstack.stack import TaskGround
from flame_node_agent.devstack.state import StateDirectory

DATABASE = PostgresAccess("localhost", 5432, "flame", "secret", "flame").variables()


def test_ports_are_free_different_and_below_those_of_outgoing_connections() -> None:
    ports = free_ports(20, companion=10_000)
    assert len(set(ports)) == 20
    assert all(is_free(port) and is_free(port + 10_000) for port in ports)
    assert max(ports) + 10_000 < 32_768


def test_a_port_that_stays_taken_is_named() -> None:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(StackError, match=f"port {port} is taken"):
            await_ports([port], seconds=0)
    await_ports([port], seconds=0)


def test_private_files_are_for_their_owner_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "secrets.json"
    assert read_json(path) == {}
    write_json(path, {"secret": 1})
    write_json(path, {"secret": 2})
    assert read_json(path) == {"secret": 2}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in path.parent.iterdir()] == ["secrets.json"]


def test_a_state_directory_keeps_its_facts_and_admits_one_stack(tmp_path: Path) -> None:
    first, second = StateDirectory(tmp_path), StateDirectory(tmp_path)
    first.lock()
    facts = first.facts()
    with pytest.raises(StackError, match="another development stack runs in"):
        second.lock()
    first.unlock()
    second.lock()
    assert second.facts() == facts
    second.unlock()


def test_the_seed_is_drawn_once(tmp_path: Path) -> None:
    nodes = NodeRegister.load(tmp_path / "nodes")
    assert NodeRegister.load(tmp_path / "nodes") == nodes
    seed = HubSeed.load(tmp_path / "hub", nodes)
    assert HubSeed.load(tmp_path / "hub", nodes) == seed
    assert len({analysis.project_id for analysis in seed.analyses}) == 2


@pytest.mark.parametrize(("profile", "flow"), [("0.8.21", "robot"), ("0.8.30", "client"), ("0.13", "client")])
def test_a_node_logs_in_as_its_hub_knows_it(tmp_path: Path, profile: Profile, flow: str) -> None:
    seed = HubSeed.load(tmp_path, NodeRegister.load(tmp_path))
    assert default_flow(profile) == flow
    assert seed.auth_variables(flow)["HUB__AUTH__FLOW"] == flow


@given(value=st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0$"), max_size=30))
def test_any_value_comes_back_from_the_settings_file(
    value: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    env_file = tmp_path_factory.getbasetemp() / "agent.env"
    agent = AgentServer(env_file.parent, env_file=env_file, ports=(1,))
    agent.write_settings({"FIRST": value, "SECOND": "next"})
    assert dotenv_values(env_file) == {"FIRST": value, "SECOND": "next"}


def test_only_the_settings_that_are_nobody_elses_are_passed_on() -> None:
    environment = {
        "LOG__LEVEL": "DEBUG",
        "outbox__parallel_uploads": "1",
        "HUB__AUTH__SECRET": "s",
        "PATH": "/bin",
    }
    assert settings_passed_on(environment) == {"LOG__LEVEL": "DEBUG", "outbox__parallel_uploads": "1"}


def test_each_service_gets_the_settings_that_are_its_own() -> None:
    agents = {
        "TASKS__PARALLEL": "2",
        "POLL_INTERVAL_SECONDS": "1",
        "HEARTBEAT_INTERVAL_SECONDS": "2",
        "COHORT_QUERY_TIMEOUT_SECONDS": "3",
    }
    data_accesss = {
        "COHORT_QUERY_THRESHOLD": "20",
        "CACHE_TTL_DAYS": "1",
        "ACCESS_POLICY_FILE": "policy.toml",
    }
    stacks = {
        "AES_KEY_BASE64": "k",
        "TRUST_API_KEY": "k",
        "OMOP_POSTGRES_DB": "d",
        "DATA_ACCESS_API_URL": "u",
    }
    assert settings_passed_on(agents | data_accesss | stacks) == agents
    assert cohort_settings_passed_on(agents | data_accesss | stacks) == data_accesss


def test_a_state_directory_of_another_release_is_refused_with_its_name(tmp_path: Path) -> None:
    write_json(tmp_path / "stack.json", {"agent_ports": [1, 2], "s3_ports": []})
    with pytest.raises(StackError, match="was made by another release"):
        StateDirectory(tmp_path).facts()


@pytest.mark.parametrize(
    ("ground", "options"),
    [
        (TaskGround(), ["--task-routes", "current"]),
        (TaskGround(1, True, "named"), ["--task-routes", "named", "--hub-rate-limits"]),
    ],
)
def test_the_hub_is_told_what_it_is_like(ground: TaskGround, options: list[str]) -> None:
    assert ground.hub_options() == options
    argument_parser().parse_args(["--state-dir", "s", "--port", "1", *options])


def test_both_sides_of_the_agent_are_on_with_the_settings_of_the_seed(tmp_path: Path) -> None:
    trust = HubSeed.load(tmp_path, NodeRegister.load(tmp_path)).trust
    variables = trust.task_variables("http://hub.test/api", "http://data-access.test")
    settings = load_agent({**variables, **DATABASE}, None)
    assert settings.results is None
    assert settings.tasks is not None
    assert settings.tasks.hub_api == "http://hub.test/api"
    assert settings.tasks.expected_trust_id == trust.id


def test_the_restart_command_needs_nothing_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = AgentServer(tmp_path, env_file=tmp_path / "agent.env", ports=(1,))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert agent.command[1:] == ["-m", "flame_node_agent", "agent", "--env-file", str(tmp_path / "agent.env")]
    monkeypatch.setenv("PYTHONPATH", "src")
    assert agent.command[:2] == ["/usr/bin/env", f"PYTHONPATH={Path('src').absolute()}"]
