"""PostgreSQL and S3 in containers, for tests on a machine with Docker (PYTEST__USE_TESTCONTAINERS=1).

The images are those of the Node Result Service's own docker-compose.yml. Needs the package testcontainers.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

import docker
import psycopg
from aiohttp import ClientError
from docker.errors import DockerException
from miniopy_async.error import S3Error, ServerError
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from flame_node_agent.devstack.ports import LOOPBACK
from flame_node_agent.devstack.postgres import PostgresAccess, PostgresServer, ensure_database
from flame_node_agent.devstack.processes import StackError
from flame_node_agent.devstack.s3 import S3Access, ensure_bucket

POSTGRES_IMAGE = "postgres:17.2"
S3_IMAGE = "minio/minio:RELEASE.2024-12-13T22-19-12Z"
_READY_SECONDS = 60.0


def docker_at_hand() -> bool:
    """Whether a Docker engine answers and has, or can pull, the images that are needed."""
    if not _engine_listens():
        return False
    try:
        client = docker.from_env(timeout=120)
    except DockerException:
        return False
    try:
        known = {tag for image in client.images.list() for tag in image.tags}
        for image in (POSTGRES_IMAGE, S3_IMAGE, *_reaper_image()):
            if image not in known:
                client.images.pull(image)
    except (DockerException, OSError):
        return False
    finally:
        client.close()
    return True


def _engine_listens() -> bool:
    """A look before docker's own client, which leaves a socket open when nobody listens."""
    kind, _, place = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").partition("://")
    if kind != "unix":
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(place)
        except OSError:
            return False
    return True


def _reaper_image() -> list[str]:
    """What testcontainers itself runs, to remove the containers of a killed test run."""
    return [] if testcontainers_config.ryuk_disabled else [testcontainers_config.ryuk_image]


class _Service:
    """One container on a fixed loopback port, so that it can go away and come back at the same address."""

    def __init__(self, image: str, *, inner_port: int, port: int, environment: dict[str, str]) -> None:
        self.port = port
        self._container = DockerContainer(image).with_bind_ports(inner_port, port)
        for name, value in environment.items():
            self._container.with_env(name, value)
        self._created = False

    def start(self) -> None:
        """Create it, or start it again on the data it had; returns when it takes requests."""
        if self._created:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._created = True
        _wait_until(self._answers)

    def stop(self) -> None:
        """Stop it in order; its data stay."""
        self._container.get_wrapped_container().stop()

    def kill(self) -> None:
        """End it the hard way; its data stay."""
        self._container.get_wrapped_container().kill()

    def close(self) -> None:
        """Remove it with its data."""
        self._container.stop()

    def _answers(self) -> bool:
        raise NotImplementedError


class PostgresContainer(_Service):
    """PostgreSQL in a container."""

    def __init__(self, *, port: int, password: str) -> None:
        environment = {"POSTGRES_USER": PostgresServer.USER, "POSTGRES_PASSWORD": password}
        super().__init__(POSTGRES_IMAGE, inner_port=5432, port=port, environment=environment)
        self._password = password

    def access(self, database: str) -> PostgresAccess:
        """How to reach ``database`` of this server."""
        return PostgresAccess(LOOPBACK, self.port, PostgresServer.USER, self._password, database)

    def ensure_database(self, name: str) -> PostgresAccess:
        """Create the database unless it is there."""
        ensure_database(self.access("postgres"), name)
        return self.access(name)

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.access("postgres").dsn, connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False


class S3Container(_Service):
    """MinIO in a container."""

    def __init__(self, *, port: int, access_key: str, secret_key: str) -> None:
        environment = {"MINIO_ROOT_USER": access_key, "MINIO_ROOT_PASSWORD": secret_key}
        super().__init__(S3_IMAGE, inner_port=9000, port=port, environment=environment)
        self._container.with_command("server /data")
        self._keys = (access_key, secret_key)

    def ensure_bucket(self, name: str) -> S3Access:
        """Create the bucket unless it is there."""
        access = S3Access(f"{LOOPBACK}:{self.port}", *self._keys, name)
        ensure_bucket(access)
        return access

    def _answers(self) -> bool:
        try:
            self.ensure_bucket("ready")
        except (ServerError, S3Error, ClientError, OSError):
            return False
        return True


def _wait_until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise StackError(f"a container was not ready within {_READY_SECONDS:.0f} s")
        time.sleep(0.1)
