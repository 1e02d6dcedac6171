"""The embedded PostgreSQL, S3 and OIDC issuer: fresh ground for each test, and what they survive."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg
import pytest

from flame_node_agent.devstack.ports import free_ports
from flame_node_agent.devstack.postgres import PostgresAccess, PostgresServer
from flame_node_agent.devstack.processes import StackError
from flame_node_agent.devstack.s3 import S3Access, S3Server, s3_ports


def test_each_database_is_empty_and_another(postgres_database: Callable[[], PostgresAccess]) -> None:
    first, second = postgres_database(), postgres_database()
    with psycopg.connect(first.dsn) as connection:
        connection.execute("CREATE TABLE result (id int)")
    with psycopg.connect(second.dsn) as connection:
        assert connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone() == (0,)


def test_a_wrong_password_does_not_open_a_database(postgres_database: Callable[[], PostgresAccess]) -> None:
    access = postgres_database()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(access.dsn.replace(access.password, "wrong"))


def test_postgres_keeps_committed_rows_over_a_kill(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres", port=free_ports(1)[0], password="secret")
    server.start()
    try:
        access = server.ensure_database("flame")
        with psycopg.connect(access.dsn) as connection:
            connection.execute("CREATE TABLE result AS SELECT 1 AS id")
        connection = psycopg.connect(access.dsn)  # a client that is connected when it happens
        server.kill()
        server.start()
        connection.close()
        assert server.ensure_database("flame") == access
        with psycopg.connect(access.dsn) as connection:
            assert connection.execute("SELECT id FROM result").fetchone() == (1,)
    finally:
        server.stop()


def test_postgres_says_so_when_its_port_is_taken(tmp_path: Path) -> None:
    first = PostgresServer(tmp_path / "first", port=free_ports(1)[0], password="secret")
    first.start()
    try:
        with pytest.raises(StackError, match=f"port {first.port} is taken"):
            PostgresServer(tmp_path / "second", port=first.port, password="secret").start()
    finally:
        first.stop()


async def test_a_fresh_bucket_is_there_and_empty(s3_bucket: Callable[[], S3Access]) -> None:
    access = s3_bucket()
    async with access.client() as client:
        assert await client.bucket_exists(access.bucket)
        assert [found async for found in client.list_objects(access.bucket, recursive=True)] == []


async def test_s3_keeps_acknowledged_objects_over_a_kill(tmp_path: Path) -> None:
    server = S3Server(tmp_path / "s3", ports=s3_ports(), access_key="key", secret_key="a-long-secret")
    server.start()
    try:
        access = server.ensure_bucket("flame")
        async with access.client() as client:
            await client.put_object("flame", "local/a", io.BytesIO(b"result"), length=6)
            server.kill()
            server.start()
            answer = await client.get_object("flame", "local/a")
            assert await answer.read() == b"result"
            answer.close()
        assert server.ensure_bucket("flame") == access
    finally:
        server.stop()
    assert not list(Path("/tmp").glob(f"seaweedfs-*{server.ports[0]}*.sock"))


async def test_s3_refuses_a_wrong_secret(s3_bucket: Callable[[], S3Access]) -> None:
    access = s3_bucket()
    answer = httpx.put(f"http://{access.endpoint}/{access.bucket}/x", content=b"unsigned", trust_env=False)
    assert answer.status_code == httpx.codes.FORBIDDEN
