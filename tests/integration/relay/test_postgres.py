"""A real client of a real PostgreSQL through the relay: nothing of what they agree on is changed."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from flame_node_agent.devstack.omop.access import OmopAccess
from flame_node_agent.devstack.ports import LOOPBACK, free_ports
from flame_node_agent.devstack.postgres import PostgresAccess, PostgresServer
from tests.integration.relay.conftest import StartRelay
from tests.integration.relay.relay_process import RelayProcess, until
from tests.integration.relay.tls_front import tls_in_front_of
from tests.unit.hub.authorities import make_authority

NAME = "omop.hospital.example"
SLOW = "SELECT count(*) FROM generate_series(1, 100000) AS a, generate_series(1, 100000) AS b"
MANY_ROWS = "SELECT n, md5(n::text) FROM generate_series(1, 400000) AS n"


def by(relay: RelayProcess, database: PostgresAccess, **options: str) -> str:
    """How to reach the database by the relay."""
    return make_conninfo(database.dsn, host=LOOPBACK, port=relay.port, connect_timeout=20, **options)


def _digest(conninfo: str) -> str:
    digest = hashlib.sha256()
    copy = f"COPY ({MANY_ROWS}) TO STDOUT"
    with (
        psycopg.connect(conninfo) as connection,
        connection.cursor() as cursor,
        cursor.copy(copy) as copied,
    ):
        for block in copied:
            digest.update(block)
    return digest.hexdigest()


async def test_a_large_answer_arrives_as_it_is(omop: OmopAccess, start_relay: StartRelay) -> None:
    relay = start_relay(omop.reader.port)
    await until(relay.open)
    through = await asyncio.to_thread(_digest, by(relay, omop.reader))
    assert through == await asyncio.to_thread(_digest, omop.reader_dsn)


async def test_a_cancelled_statement_ends_in_the_database(omop: OmopAccess, start_relay: StartRelay) -> None:
    relay = start_relay(omop.reader.port)
    await until(relay.open)
    async with await psycopg.AsyncConnection.connect(by(relay, omop.reader)) as connection:
        slow = asyncio.create_task(connection.execute(f"{SLOW} -- by_the_relay"))
        await until(lambda: _running(omop, "by_the_relay") == 1)
        await connection.cancel_safe()
        with pytest.raises(psycopg.errors.QueryCanceled):
            await slow
    await until(lambda: _running(omop, "by_the_relay") == 0)


async def test_a_statement_whose_client_is_gone_ends_in_the_database(
    omop: OmopAccess, start_relay: StartRelay
) -> None:
    relay = start_relay(omop.reader.port)
    await until(relay.open)
    options = "-c client_connection_check_interval=1s"
    connection = await psycopg.AsyncConnection.connect(by(relay, omop.reader, options=options))
    slow = asyncio.create_task(connection.execute(f"{SLOW} -- left_alone"))
    await until(lambda: _running(omop, "left_alone") == 1)
    connection.pgconn.finish()
    await until(lambda: _running(omop, "left_alone") == 0)
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)
    await until(lambda: relay.sockets() == 0)


def _running(omop: OmopAccess, marker: str) -> int:
    with psycopg.connect(omop.dsn, autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
            " AND position(%s in query) > 0",
            [marker],
        ).fetchone()
    assert row is not None
    return int(row[0])


async def test_tls_is_between_client_and_server_and_the_servers_name_is_verified(
    omop: OmopAccess, start_relay: StartRelay, tmp_path: Path
) -> None:
    authority = make_authority(tmp_path, host=NAME)
    async with tls_in_front_of(omop.reader, authority.server) as port:
        relay = start_relay(port)
        await until(relay.open)
        verified = {"sslrootcert": str(authority.bundle), "sslmode": "verify-full", "hostaddr": LOOPBACK}
        right = make_conninfo(by(relay, omop.reader, **verified), host=NAME)
        async with await psycopg.AsyncConnection.connect(right) as connection:
            assert connection.pgconn.ssl_in_use
            found = await (await connection.execute("SELECT count(*) FROM omop.person")).fetchone()
            assert found == (omop.persons,)
        for mode in ("require", "verify-ca"):
            weaker = make_conninfo(right, sslmode=mode, host="omop-relay")
            async with await psycopg.AsyncConnection.connect(weaker) as connection:
                assert connection.pgconn.ssl_in_use
        with pytest.raises(psycopg.OperationalError, match="does not match host name"):
            await psycopg.AsyncConnection.connect(make_conninfo(right, host="omop-relay"))
        other = make_authority(tmp_path, "Another CA", host=NAME)
        with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
            await psycopg.AsyncConnection.connect(make_conninfo(right, sslrootcert=str(other.bundle)))


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[PostgresServer]:
    """A server that can go away."""
    (port,) = free_ports(1)
    server = PostgresServer(tmp_path / "hospital", port=port, password="of-the-hospital", durable=False)
    yield server
    server.stop()


async def test_a_server_that_is_away_is_refused_at_once_and_reached_when_it_is_back(
    hospital: PostgresServer, start_relay: StartRelay
) -> None:
    relay = start_relay(hospital.port)
    database = hospital.access("postgres")
    away = f"port {relay.port} failed: Connection refused"
    with pytest.raises(psycopg.OperationalError, match=away):
        await psycopg.AsyncConnection.connect(by(relay, database))
    status, said = await asyncio.to_thread(relay.readiness)
    assert (status, said["missing"]) == (503, {"omop-server": "Connection refused"})

    hospital.start()
    await until(relay.open)
    assert (await asyncio.to_thread(relay.readiness))[0] == 200
    connection = await psycopg.AsyncConnection.connect(by(relay, database))
    assert await (await connection.execute("SELECT 1")).fetchone() == (1,)

    hospital.kill()
    with pytest.raises(psycopg.OperationalError):
        await connection.execute("SELECT 1")
    # Whoever looks next finds out; from then on the port is shut.
    await until(lambda: not relay.open())
    with pytest.raises(psycopg.OperationalError, match=away):
        await psycopg.AsyncConnection.connect(by(relay, database))

    hospital.start()
    await until(relay.open)
    async with await psycopg.AsyncConnection.connect(by(relay, database)) as again:
        assert await (await again.execute("SELECT 1")).fetchone() == (1,)
    assert len(relay.events("relay.server_reached")) == 2
    assert relay.events("relay.connection_failed")
