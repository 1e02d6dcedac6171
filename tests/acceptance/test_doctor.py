"""``flame-node doctor`` and ``flame-node health`` beside running services, as operators and engines call them."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from flame_node_agent.devstack.data_access_server import DataAccessServer
from flame_node_agent.doctor.checks import CHECKS
from flame_node_agent.doctor.ground import Service
from tests.acceptance.commands import flame_node
from tests.acceptance.running_agents import RunningAgent
from tests.conftest import DataAccessEnvironmentFactory, EnvironmentFactory

LINE = re.compile(r"([✔✘–]) ([a-z-]+) +(.+)")
OF_THE_AGENT = [check.name for check in CHECKS if Service.AGENT in check.services]
NOT_HERE = {"kit", "proxy", "tls", "fl-server"}
"""What the development stack does not have."""
PUBLISHED_OR_DISK = {"published", "disk"}
"""What depends on the machine that the tests run on."""


def test_a_running_agent_is_well_line_by_line(any_agent: RunningAgent, tmp_path: Path) -> None:
    ended = flame_node("doctor", environment=any_agent.environment, directory=tmp_path)
    lines = [LINE.fullmatch(line) for line in ended.stdout.splitlines()]
    assert all(lines), ended.stdout
    marks = {line[2]: line[1] for line in lines if line}
    assert list(marks) == OF_THE_AGENT
    wrong = {name for name, mark in marks.items() if mark == "✘"} - PUBLISHED_OR_DISK
    assert wrong == set(), ended.stdout
    for name in ("settings", "dns", "clock", "flame-hub", "oidc", "object-store", "database"):
        assert marks[name] == "✔", ended.stdout
    assert {marks[name] for name in NOT_HERE} == {"–"}
    assert ended.stderr == ""


def test_the_exit_code_and_the_report_in_json_say_whether_all_is_well(
    node_env: EnvironmentFactory, tmp_path: Path
) -> None:
    environment = node_env(sides="tasks", POSTGRES__PORT="9", TRUST_API_KEY="nobodys-key-4711")
    ended = flame_node("doctor", "--json", environment=environment, directory=tmp_path)
    report = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert (report["service"], report["well"]) == ("agent", False)
    told = {each["check"]: each for each in report["checks"]}
    assert list(told) == OF_THE_AGENT
    for name in ("database", "api-key"):
        assert told[name]["state"] == "failed"
        assert told[name]["do"]
    secrets = [value for name, value in environment.items() if re.search("PASSWORD|_KEY$|BASE64", name)]
    assert secrets
    assert not [secret for secret in secrets if secret in ended.stdout + ended.stderr]


def test_settings_that_cannot_be_used_are_a_line_and_no_crash(tmp_path: Path) -> None:
    ended = flame_node("doctor", environment={}, directory=tmp_path)
    assert ended.returncode == 1
    assert ended.stdout.startswith("✘ settings")
    assert ended.stderr == ""


def test_data_access_has_a_doctor_of_its_own(
    data_access_env: DataAccessEnvironmentFactory,
    data_access: Callable[..., DataAccessServer],
    tmp_path: Path,
) -> None:
    ended = flame_node(
        "doctor", "--service", "data-access", environment=data_access_env(), directory=tmp_path
    )
    assert "✔ omop-role  data_analyst_reader may read" in ended.stdout
    assert "✘ database" in ended.stdout  # nobody has migrated this one


# health


def health(tmp_path: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    ended = flame_node("health", *arguments, environment=environment, directory=tmp_path)
    assert ended.stderr == ""
    assert ended.stdout.count("\n") == 1
    return ended.returncode, ended.stdout.strip()


def test_running_services_are_healthy(
    any_agent: RunningAgent, data_access: Callable[..., DataAccessServer], tmp_path: Path
) -> None:
    ports = any_agent.environment["LISTEN__PORTS"]
    told = health(tmp_path, LISTEN__HOST="127.0.0.1", LISTEN__PORTS=ports)
    assert told == (0, "agent: healthy")
    assert health(tmp_path, LISTEN__HOST="0.0.0.0", LISTEN__PORTS=ports) == (0, "agent: healthy")
    port = data_access().url.rpartition(":")[2]
    assert health(tmp_path, "--service", "data-access", LISTEN__PORTS=port) == (0, "data-access: healthy")


def test_nobody_there_is_not_healthy(tmp_path: Path) -> None:
    assert health(tmp_path, LISTEN__PORTS="9") == (1, "agent: no answer on port 9 (ConnectionRefusedError)")


def test_a_service_that_hangs_is_not_healthy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        code, told = health(tmp_path, LISTEN__PORTS=f"{port},9")
    assert (code, told) == (1, f"agent: no answer on port {port} (TimeoutError)")


@pytest.mark.parametrize("service", ["agent", "data-access"])
def test_a_service_that_answers_with_an_error_is_not_healthy(tmp_path: Path, service: str) -> None:
    class Failing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503 if self.path == {"agent": "/healthz"}.get(service, "/health") else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Failing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        told = health(tmp_path, "--service", service, LISTEN__PORTS=str(server.server_port))
        server.shutdown()
    assert told == (1, f"{service}: answers 503")
