"""omop-relay's variables, and how data-access-api verifies the server behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from flame_node_agent.config.data_access import load_data_access
from flame_node_agent.config.relay import ServerAddress, load_relay
from flame_node_agent.errors import SettingsError
from tests.unit.settings_samples import DATA_ACCESS, RELAY, certificate_pem


def problems(load, given: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(given, env_file=None)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("given", "host", "port"),
    [
        ("omop.hospital.example:5432", "omop.hospital.example", 5432),
        (" 10.20.30.40:15432 ", "10.20.30.40", 15432),
        ("[2001:db8::1]:5432", "2001:db8::1", 5432),
    ],
)
def test_server_is_a_name_or_an_address_with_a_port(given: str, host: str, port: int) -> None:
    server = load_relay({"OMOP_SERVER": given}, env_file=None).omop_server
    assert server == ServerAddress(host, port)
    assert str(server) == given.strip()


@pytest.mark.parametrize(
    "given",
    [
        *(
            "omop.hospital.example",
            "omop.hospital.example:0",
            "omop.hospital.example:65536",
            ":5432",
            "a b:5432",
        ),
        *("postgresql://omop.hospital.example:5432", "10.20.30.40:5432,10.20.30.41:5432", "2001:db8::1:5432"),
    ],
)
def test_anything_else_than_one_server_stops_the_start(given: str) -> None:
    (problem,) = problems(load_relay, {"OMOP_SERVER": given})
    assert problem.startswith("OMOP_SERVER: is not a host and a port; accepts host:port of a server outside")


@pytest.mark.parametrize("given", ["omop-relay:5432", "OMOP-RELAY:5432", "localhost:5432"])
def test_a_relay_that_leads_to_itself_is_refused(given: str) -> None:
    (problem,) = problems(load_relay, {"OMOP_SERVER": given})
    assert problem.startswith("OMOP_SERVER: leads back to the relay itself; accepts")


def test_every_wrong_variable_is_told_at_once() -> None:
    wrong = {"RELAY__PORT": "0", "RELAY__MAX_CONNECTIONS": "0", "RELAY__CONNECT_SECONDS": "never"}
    told = problems(load_relay, wrong)
    assert {line.partition(":")[0] for line in told} == {*wrong, "OMOP_SERVER"}


def test_the_relay_needs_no_database_and_no_key() -> None:
    settings = load_relay(RELAY, env_file=None)
    assert (settings.relay.port, settings.listen.ports) == (5432, (8000,))


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    path = tmp_path / "hospital-ca.pem"
    path.write_bytes(certificate_pem())
    return path


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_verifying_needs_authorities(mode: str, authority: Path) -> None:
    (problem,) = problems(load_data_access, DATA_ACCESS | {"OMOP_SSLMODE": mode})
    assert problem.startswith(
        f"OMOP_SSLROOTCERT: is missing, and is needed as OMOP_SSLMODE is {mode}; accepts"
    )
    given = {"OMOP_SSLMODE": mode.upper(), "OMOP_SSLROOTCERT": str(authority)}
    told = load_data_access(DATA_ACCESS | given, env_file=None).omop_conninfo()
    assert f"sslmode={mode}" in told
    assert f"sslrootcert={authority}" in told


def test_authorities_that_are_none_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("none")
    given = {"OMOP_SSLMODE": "verify-full", "OMOP_SSLROOTCERT": str(tmp_path / "none.pem")}
    (problem,) = problems(load_data_access, DATA_ACCESS | given)
    assert problem.startswith("OMOP_SSLROOTCERT: names a file without a usable PEM certificate")


def test_without_a_word_about_it_the_server_decides_about_tls() -> None:
    told = load_data_access(DATA_ACCESS, env_file=None).omop_conninfo()
    assert "sslmode=prefer" in told
    assert "sslrootcert" not in told
