"""Settings the agent cannot use: it does not start, and says why in one line for each variable."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from flame_node_agent.devstack.ports import LOOPBACK, free_ports
from tests.acceptance.commands import flame_node
from tests.conftest import EnvironmentFactory

SETTINGS_WRONG = 2


def test_every_missing_variable_is_named_in_a_line_of_its_own(tmp_path: Path) -> None:
    """One variable turns the result side on: exit code 2, nothing on standard output, no traceback."""
    ended = flame_node(
        "agent", environment={"HUB__CORE_BASE_URL": "https://hub.test/core"}, directory=tmp_path
    )
    named = [line.partition(":")[0] for line in ended.stderr.splitlines()]
    assert ended.returncode == SETTINGS_WRONG
    assert ended.stdout == ""
    assert set(named) >= {
        "HUB__AUTH__FLOW",
        "MINIO__ENDPOINT",
        "MINIO__ACCESS_KEY",
        "MINIO__SECRET_KEY",
        "MINIO__BUCKET",
        "OIDC__CERTS_URL",
        "POSTGRES__HOST",
        "POSTGRES__USER",
        "POSTGRES__PASSWORD",
        "POSTGRES__DB",
        "CRYPTO__PROVIDER",
    }
    assert len(named) == len(set(named))


def test_what_would_turn_each_side_on_is_told_when_nothing_is_given(tmp_path: Path) -> None:
    ended = flame_node("agent", environment={}, directory=tmp_path)
    assert ended.returncode == SETTINGS_WRONG
    assert ended.stdout == ""
    for variable in (
        "MINIO__ENDPOINT",
        "OIDC__CERTS_URL",
        "CENTRAL_HUB_API_URL",
        "TRUST_API_KEY",
        "POSTGRES__HOST",
    ):
        assert variable in ended.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HUB__AUTH__FLOW", "kerberos"),
        ("HUB__CORE_BASE_URL", "ftp://hub"),
        ("MINIO__ENDPOINT", "http://minio:9000"),
        ("MINIO__USE_SSL", "perhaps"),
        ("OIDC__ALGORITHMS", "HS256"),
        ("OIDC__CERTS_URL", "certs"),
        ("POSTGRES__PORT", "70000"),
        ("CRYPTO__PROVIDER", "hsm"),
        ("CRYPTO__ECDH_PRIVATE_KEY_PATH", "/no/such/key.pem"),
        ("LISTEN__PORTS", "8080,8080"),
        ("EXTRA_CA_CERTS", "/no/such/bundle.pem"),
        ("RESULTS__MAX_UPLOAD_BYTES", "-1"),
    ],
)
def test_wrong_variable_is_named_in_one_line(
    node_env: EnvironmentFactory, tmp_path: Path, variable: str, value: str
) -> None:
    """The line says what the variable accepts; the secrets among the others are not shown."""
    environment = node_env() | {variable: value}
    ended = flame_node("agent", environment=environment, directory=tmp_path)
    assert ended.returncode == SETTINGS_WRONG
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"{variable}: ")
    assert environment["MINIO__SECRET_KEY"] not in line
    assert environment["POSTGRES__PASSWORD"] not in line


def test_taken_port_is_named_by_its_variable(node_env: EnvironmentFactory, tmp_path: Path) -> None:
    """Told at once, before anything else is started."""
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        environment = node_env() | {"LISTEN__PORTS": f"{free_ports(1)[0]},{port}"}
        ended = flame_node("agent", environment=environment, directory=tmp_path)
    assert ended.returncode == SETTINGS_WRONG
    (line,) = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert line.startswith("LISTEN__PORTS: ")
    assert str(port) in line


def test_settings_may_stand_in_a_file_of_the_working_directory(
    node_env: EnvironmentFactory, tmp_path: Path
) -> None:
    """`flame-node config check` finds `.env`, and masks what is secret in it."""
    environment = node_env()
    (tmp_path / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in environment.items()))
    ended = flame_node("config", "check", environment={}, directory=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert environment["MINIO__BUCKET"] in ended.stdout
    for secret in ("MINIO__SECRET_KEY", "POSTGRES__PASSWORD", "HUB__AUTH__SECRET"):
        assert environment[secret] not in ended.stdout + ended.stderr
