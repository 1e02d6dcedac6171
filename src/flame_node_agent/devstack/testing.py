"""The parts of the stack as tests want them: started on first use, with fresh ground for each test."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

from flame_node_agent.devstack.agent_server import UNLIMITED
from flame_node_agent.devstack.data_access_server import DataAccessServer
from flame_node_agent.devstack.hub_server import PROFILES, HubServer, Profile
from flame_node_agent.devstack.nodes import NodeRegister
from flame_node_agent.devstack.oidc import OidcIssuer
from flame_node_agent.devstack.omop.access import OmopAccess
from flame_node_agent.devstack.omop.load import load
from flame_node_agent.devstack.ports import LOOPBACK, NOBODY_THERE, free_ports
from flame_node_agent.devstack.postgres import PostgresAccess, PostgresServer
from flame_node_agent.devstack.running_hub import RunningHub
from flame_node_agent.devstack.s3 import S3Access, S3Server, s3_ports
from flame_node_agent.devstack.seed import HubSeed, default_flow

_PASSWORD = "postgres-for-tests"  # noqa: S105  of a server that lives as long as one test session
_READER_PASSWORD = "reader-for-tests"  # noqa: S105  likewise
_S3_KEYS = ("access-for-tests", "secret-for-tests")


type Sides = Literal["results", "tasks", "both"]


class DatabaseServer(Protocol):
    """PostgreSQL, embedded or in a container."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def ensure_database(self, name: str) -> PostgresAccess: ...


class BucketServer(Protocol):
    """An S3 server, embedded or in a container."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def ensure_bucket(self, name: str) -> S3Access: ...


class LazyParts:
    """All parts of one test session (of one pytest-xdist worker), each started on first use."""

    def __init__(self, *, in_containers: bool = False) -> None:
        self._in_containers = in_containers
        self._stack = contextlib.ExitStack()
        self._shared_hubs: dict[Profile, RunningHub] = {}

    def close(self) -> None:
        """Stop everything that was started and remove its data."""
        self._stack.close()

    @cached_property
    def directory(self) -> Path:
        directory = Path(tempfile.mkdtemp(prefix="flame-node-tests-"))
        directory.chmod(0o711)  # PostgreSQL may run under another account
        self._stack.callback(shutil.rmtree, directory, ignore_errors=True)
        return directory

    @cached_property
    def nodes(self) -> NodeRegister:
        return NodeRegister.load(self.directory / "nodes")

    @cached_property
    def postgres(self) -> DatabaseServer:
        port = free_ports(1)[0]
        if not self._in_containers:
            directory = self.directory / "postgres"
            return self._started(PostgresServer(directory, port=port, password=_PASSWORD, durable=False))
        from flame_node_agent.devstack.containers import PostgresContainer

        container = PostgresContainer(port=port, password=_PASSWORD)
        self._stack.callback(container.close)
        container.start()
        return container

    @cached_property
    def s3(self) -> BucketServer:
        access_key, secret_key = _S3_KEYS
        if not self._in_containers:
            directory = self.directory / "s3"
            return self._started(
                S3Server(directory, ports=s3_ports(), access_key=access_key, secret_key=secret_key)
            )
        from flame_node_agent.devstack.containers import S3Container

        container = S3Container(port=free_ports(1)[0], access_key=access_key, secret_key=secret_key)
        self._stack.callback(container.close)
        container.start()
        return container

    @cached_property
    def oidc(self) -> OidcIssuer:
        return self._started(OidcIssuer(self.directory / "oidc", port=free_ports(1)[0]))

    def new_database(self) -> PostgresAccess:
        """An empty database."""
        return self.postgres.ensure_database(f"test_{uuid.uuid4().hex}")

    @cached_property
    def omop(self) -> OmopAccess:
        """A synthetic OMOP database of 2,000 persons; to be read only."""
        return self.new_omop(2_000)

    def new_omop(self, persons: int) -> OmopAccess:
        """A synthetic OMOP database that its caller may change."""
        return load(self.new_database(), persons, reader_password=_READER_PASSWORD)

    def new_bucket(self) -> S3Access:
        """An empty bucket."""
        return self.s3.ensure_bucket(f"test-{uuid.uuid4().hex}")

    def hub(
        self, profile: Profile = PROFILES[0], *, fresh: bool = False, task_options: Sequence[str] = ()
    ) -> RunningHub:
        """The session's hub of this profile, running, without faults; or a ``fresh`` one for the caller.

        A hub with ``task_options``, which are those of its command line for FLIP's side, is always a fresh one.
        """
        if fresh or task_options:
            return self._new_hub(profile, task_options)
        if profile not in self._shared_hubs:
            self._shared_hubs[profile] = self._new_hub(profile, ())
        hub = self._shared_hubs[profile]
        if not hub.server.child.alive:
            hub.restart()
        hub.clear_faults()
        return hub

    def agent_environment(
        self,
        hub: RunningHub | None = None,
        *,
        profile: Profile = PROFILES[0],
        flow: str | None = None,
        database: PostgresAccess | None = None,
        bucket: S3Access | None = None,
        sides: Sides = "results",
        data_access_url: str = NOBODY_THERE,
        **overrides: str,
    ) -> dict[str, str]:
        """All settings of an agent on these parts: a fresh database and bucket, free ports to listen on.

        ``hub`` defaults to the session's hub of ``profile``; ``flow`` to the one a node of that release uses.
        ``sides`` says which sides of the agent get their settings; the task side asks a hub without rate limits, as
        often as it likes, for cohorts at ``data_access_url``.
        """
        hub = hub or self.hub(profile)
        first, second = free_ports(2)
        result_side = {
            **hub.urls.variables(),
            **hub.seed.auth_variables(flow or default_flow(hub.profile)),
            "OIDC__CERTS_URL": self.oidc.certs_url,
            "CRYPTO__PROVIDER": "file",
            "CRYPTO__ECDH_PRIVATE_KEY_PATH": str(self.nodes.own_key_path),
        }
        task_side = {
            **hub.seed.trust.task_variables(hub.urls.api, data_access_url),
            **UNLIMITED,
            "IMAGING_API_URL": NOBODY_THERE,
            "XNAT_URL": NOBODY_THERE,
            "OMOP_DB_HOST": LOOPBACK,
        }
        return {
            **(database or self.new_database()).variables(),
            **(result_side | (bucket or self.new_bucket()).variables() if sides != "tasks" else {}),
            **(task_side if sides != "results" else {}),
            "LISTEN__HOST": LOOPBACK,
            "LISTEN__PORTS": f"{first},{second}",
            **overrides,
        }

    def data_access_environment(
        self,
        hub: RunningHub | None = None,
        *,
        omop: OmopAccess | None = None,
        database: PostgresAccess | None = None,
        **overrides: str,
    ) -> dict[str, str]:
        """All settings of a data-access-api of the trust that ``hub`` knows: a fresh state database, a free port.

        ``hub`` defaults to the session's first hub, ``omop`` to the session's synthetic database.
        """
        return {
            **(hub or self.hub()).seed.trust.service_variables(),
            **(database or self.new_database()).variables(),
            **(omop or self.omop).variables(),
            "LISTEN__HOST": LOOPBACK,
            "LISTEN__PORTS": str(free_ports(1)[0]),
            **overrides,
        }

    @contextlib.contextmanager
    def data_access(self, environment: Mapping[str, str]) -> Iterator[DataAccessServer]:
        """A data-access-api with these settings, running; ``.url`` is where it answers."""
        directory = self.directory / f"data-access-{uuid.uuid4().hex}"
        directory.mkdir()
        ports = tuple(int(port) for port in environment["LISTEN__PORTS"].split(","))
        server = DataAccessServer(directory, env_file=directory / "data-access.env", ports=ports)
        server.write_settings(environment)
        try:
            server.start()
            yield server
        finally:
            server.stop()

    def _new_hub(self, profile: Profile, task_options: Sequence[str]) -> RunningHub:
        directory = self.directory / f"hub-{uuid.uuid4().hex}"
        seed = HubSeed.load(directory, self.nodes)
        server = self._started(
            HubServer(directory, port=free_ports(1)[0], profile=profile, task_options=task_options)
        )
        hub = RunningHub(server, seed)
        self._stack.callback(hub.close)
        return hub

    def _started[Server: (PostgresServer, S3Server, OidcIssuer, HubServer)](self, server: Server) -> Server:
        server.start()
        self._stack.callback(server.stop)
        return server
