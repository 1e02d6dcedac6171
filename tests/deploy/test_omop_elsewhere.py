"""A hospital's own OMOP server: data-access-api, which has no way out, reaches it by omop-relay, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flame_node_agent.devstack.omop.load import load
from flame_node_agent.devstack.postgres import PostgresAccess
from tests.deploy.engine import Engine
from tests.deploy.images import POSTGRES
from tests.deploy.machine import name_outside
from tests.deploy.outside import Outside
from tests.deploy.trust_host import PERSONS, TrustHost, until
from tests.unit.hub.authorities import make_authority

STACK = "trust-e"
NAME = "omop.hospital.example"
SERVER = f"{STACK}-hospital"
OWNER, OWNER_PASSWORD = "hospital", "of-the-hospital"
SERVER_USER = 999
"""As the image's own user, who reads the server's key."""

_CONNECT = 'timeout 5 bash -c "exec 3<>/dev/tcp/{address}/{port}" 2>&1 && echo reached || echo unreachable'


class Hospital:
    """The server, in a container that is no part of the stack, on the network that the relay has for itself."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.authority = make_authority(folder, "Hospital CA", host=NAME)
        chain = folder / "server.pem"
        (folder / "Hospital CA server.pem").rename(chain)
        os.chown(chain, SERVER_USER, SERVER_USER)
        chain.chmod(0o600)
        folder.chmod(0o755)

    def start(self) -> None:
        """Start it with TLS, which it asks of everybody; returns when it answers."""
        told = (
            f"POSTGRES_USER={OWNER}",
            f"POSTGRES_PASSWORD={OWNER_PASSWORD}",
            "POSTGRES_DB=omop",
        )
        tls = ("-c", "ssl=on", "-c", "ssl_cert_file=/tls/server.pem", "-c", "ssl_key_file=/tls/server.pem")
        self.engine.docker(
            *("run", "-d", "--no-healthcheck", "--name", SERVER),
            *("--network", f"{STACK}_house", "--network-alias", NAME),
            *("--volume", f"{self.folder}:/tls:ro"),
            *(part for each in told for part in ("--env", each)),
            *(POSTGRES, "postgres", *tls),
        )
        self.await_answer()

    def await_answer(self) -> None:
        """Wait until it takes connections from elsewhere."""
        ask = ("exec", SERVER, "sh", "-c", "pg_isready -q -h 127.0.0.1 && echo ready")
        until(lambda: self.engine.docker(*ask, check=False).strip() == "ready", "the server")

    @property
    def address(self) -> str:
        """Its address on the relay's network."""
        wanted = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return self.engine.docker("inspect", "--format", wanted, SERVER).strip()

    def load_patients(self, reader_password: str) -> None:
        """Fill it, as its owner."""
        owner = PostgresAccess(self.address, 5432, OWNER, OWNER_PASSWORD, "omop")
        load(owner, PERSONS, reader_password=reader_password)

    def ask(self, statement: str) -> str:
        """What its owner sees."""
        return self.engine.docker("exec", SERVER, "psql", "-qAt", "-U", OWNER, "-d", "omop", "-c", statement)

    def stop(self) -> None:
        """Remove it."""
        self.engine.docker("rm", "-f", "-v", SERVER, check=False)


@pytest.fixture(scope="module")
def elsewhere(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[TrustHost, Hospital]]:
    """A trust whose kit leads to the hospital's server, which comes up after it."""
    hospital = Hospital(engine, tmp_path_factory.mktemp("hospital"))
    host = TrustHost(engine, tmp_path_factory.mktemp("elsewhere"), STACK)
    host.unpack()
    authority = host.folder / "trust/policy/hospital-ca.pem"
    authority.write_bytes(hospital.authority.bundle.read_bytes())
    host.make_kit(
        OMOP_SERVER=f"{NAME}:5432",
        OMOP_DB_HOST=NAME,
        OMOP_DB_SERVICE_NAME=NAME,
        OMOP_POSTGRES_DB="omop",
        OMOP_SSLMODE="verify-full",
        OMOP_SSLROOTCERT="/etc/flame-node/hospital-ca.pem",
    )
    for path in (authority.parent, authority):
        path.chmod(0o755)
    try:
        # The hospital's server is away then: the trust comes up, and waits for it.
        host.make("up-local-trust")
        hospital.start()
        hospital.load_patients(host.kit().values["DATA_ACCESS_POSTGRES_PASSWORD"])
        yield host, hospital
    finally:
        hospital.stop()
        host.make("down-local-trust", check=False)


@pytest.fixture(scope="module")
def hub(elsewhere: tuple[TrustHost, Hospital], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    host, _ = elsewhere
    outside = Outside(host.engine, tmp_path_factory.mktemp("hub"), STACK)
    outside.start(host.kit())
    yield outside
    outside.stop()


def test_a_cohort_task_is_answered_from_the_hospitals_server(
    elsewhere: tuple[TrustHost, Hospital], hub: Outside
) -> None:
    host, hospital = elsewhere
    assert "omop-db" not in host.containers()
    task = host.ask_cohort(hub)
    until(lambda: host.task_status(hub, task) in {"COMPLETED", "FAILED"}, "the answer")
    assert host.task_status(hub, task) == "COMPLETED", host.logs()
    assert hospital.ask("SELECT count(*) FROM omop.person").strip() == str(PERSONS)


def test_the_connection_is_encrypted_and_verified_from_end_to_end(
    elsewhere: tuple[TrustHost, Hospital],
) -> None:
    host, _ = elsewhere
    said = host.inside("data-access-api", "flame-node", "doctor", "--service", "data-access", check=False)
    (line,) = [each for each in said.splitlines() if each[2:].startswith("omop-role ")]
    assert line.startswith("✔"), said
    settings = "import psycopg\nfrom flame_node_agent.config.data_access import load_data_access\n"
    look = f"{settings}print(psycopg.connect(load_data_access().omop_conninfo()).pgconn.ssl_in_use)"
    assert host.inside("data-access-api", "python", "-c", look).strip() == "True"
    other = (
        f"{settings}from psycopg.conninfo import make_conninfo\n"
        "psycopg.connect(make_conninfo(load_data_access().omop_conninfo(), host='omop-relay'))"
    )
    assert "does not match host name" in host.inside("data-access-api", "python", "-c", other, check=False)


def test_data_access_still_has_no_way_out(elsewhere: tuple[TrustHost, Hospital]) -> None:
    host, hospital = elsewhere
    assert set(host.described("data-access-api")["NetworkSettings"]["Networks"]) == {f"{STACK}_internal"}
    # The server itself, an address outside, and where clouds tell a machine its secrets.
    doors = ((hospital.address, 5432), ("192.0.2.1", 443), ("169.254.169.254", 80))
    tries = " & ".join(f"({_CONNECT.format(address=address, port=port)})" for address, port in doors)
    said = host.inside("data-access-api", "bash", "-c", f"{tries} & wait", check=False)
    assert said.count("unreachable") == len(doors), said
    name = ("timeout", "5", "getent", "hosts", name_outside())
    assert host.inside("data-access-api", *name, check=False).strip() == ""


def test_the_name_means_the_relay_to_data_access_and_the_server_to_the_relay(
    elsewhere: tuple[TrustHost, Hospital],
) -> None:
    host, hospital = elsewhere
    relay = host.containers()["omop-relay"]["NetworkSettings"]["Networks"][f"{STACK}_internal"]["IPAddress"]
    assert host.inside("data-access-api", "getent", "hosts", NAME).split()[0] == relay
    assert host.inside("omop-relay", "getent", "hosts", NAME).split()[0] == hospital.address


def test_the_relay_is_hardened_as_all_services(elsewhere: tuple[TrustHost, Hospital]) -> None:
    host, _ = elsewhere
    relay = host.described("omop-relay")
    assert set(relay["NetworkSettings"]["Networks"]) == {f"{STACK}_internal", f"{STACK}_house"}
    assert not any(relay["NetworkSettings"]["Ports"].values())
    status = dict(
        line.split(":\t", 1)
        for line in host.inside("omop-relay", "cat", "/proc/self/status").splitlines()
        if ":\t" in line
    )
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert host.inside("omop-relay", "id", "-u").strip() == "10001"
    assert relay["HostConfig"]["ReadonlyRootfs"]
    assert relay["HostConfig"]["Memory"] > 0


def test_a_server_that_goes_away_is_told_and_reached_again(elsewhere: tuple[TrustHost, Hospital]) -> None:
    host, _ = elsewhere

    def told() -> str:
        said = host.inside("data-access-api", "flame-node", "doctor", "--service", "data-access", check=False)
        return next((line for line in said.splitlines() if line[2:].startswith("omop-role ")), said)

    host.engine.docker("stop", SERVER)
    until(lambda: told().startswith("✘") and f"omop-relay cannot reach {NAME}:5432" in told(), "the line")
    assert host.containers()["omop-relay"]["State"]["Health"]["Status"] == "healthy"
    host.engine.docker("start", SERVER)
    until(lambda: told().startswith("✔"), "the server again")
