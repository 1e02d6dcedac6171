"""The parts of the stack as tests want them: started on first use, with fresh ground for each test."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import uuid
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import httpx

from flame_node_agent.devstack.hub_server import PROFILES, HubServer, HubUrls, Profile
from flame_node_agent.devstack.nodes import NodeRegister
from flame_node_agent.devstack.oidc import OidcIssuer
from flame_node_agent.devstack.omop.access import OmopAccess
from flame_node_agent.devstack.omop.load import load
from flame_node_agent.devstack.ports import LOOPBACK, free_ports
from flame_node_agent.devstack.postgres import PostgresAccess, PostgresServer
from flame_node_agent.devstack.s3 import S3Access, S3Server, s3_ports
from flame_node_agent.devstack.seed import HubSeed, SeededAnalysis, default_flow

_PASSWORD = "postgres-for-tests"  # noqa: S105  of a server that lives as long as one test session
_READER_PASSWORD = "reader-for-tests"  # noqa: S105  likewise
_S3_KEYS = ("access-for-tests", "secret-for-tests")


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


class RunningHub:
    """A development hub under test: its addresses, what it was seeded with, and its admin API."""

    def __init__(self, server: HubServer, seed: HubSeed) -> None:
        self.server = server
        self.seed = seed
        self.admin = httpx.Client(base_url=server.urls.admin, trust_env=False, timeout=10)

    @property
    def urls(self) -> HubUrls:
        return self.server.urls

    @property
    def profile(self) -> Profile:
        return self.server.profile

    @property
    def pid(self) -> int:
        return self.server.child.pid

    def kill(self) -> None:
        """Take the hub away; every connection breaks."""
        self.server.kill()

    def restart(self) -> None:
        """Bring it back with all it knew, on the same address."""
        if self.server.child.alive:
            self.server.stop()
        self.server.start()

    def uploads(self) -> list[dict[str, Any]]:
        """The files the hub holds: bucket, analysis_id, kind, path, size, sha256, linked (its admin API)."""
        answer = self.admin.get("/uploads").raise_for_status().json()
        return list(answer)

    def new_analysis(self, project_id: uuid.UUID | None = None) -> SeededAnalysis:
        """One more analysis with its buckets, in ``project_id`` or in a new project."""
        wish = {} if project_id is None else {"project_id": str(project_id)}
        made = self.admin.post("/analyses", json=wish).raise_for_status().json()
        return SeededAnalysis(uuid.UUID(made["analysis_id"]), uuid.UUID(made["project_id"]))

    def fault(self, **fault: object) -> None:
        """Make the hub misbehave; the fields are those of ``POST /faults`` in its admin API."""
        self.admin.post("/faults", json=fault).raise_for_status()

    def clear_faults(self) -> None:
        """Let the hub behave again."""
        self.admin.delete("/faults").raise_for_status()

    def close(self) -> None:
        self.admin.close()
        self.server.stop()


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

    def hub(self, profile: Profile = PROFILES[0], *, fresh: bool = False) -> RunningHub:
        """The session's hub of this profile, running, without faults; or a ``fresh`` one for the caller."""
        if fresh or profile not in self._shared_hubs:
            hub = self._new_hub(profile)
            if fresh:
                return hub
            self._shared_hubs[profile] = hub
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
        **overrides: str,
    ) -> dict[str, str]:
        """All settings of an agent on these parts: a fresh database and bucket, free ports to listen on.

        ``hub`` defaults to the session's hub of ``profile``; ``flow`` to the one a node of that release uses.
        """
        hub = hub or self.hub(profile)
        first, second = free_ports(2)
        return {
            **hub.urls.variables(),
            **hub.seed.auth_variables(flow or default_flow(hub.profile)),
            **(database or self.new_database()).variables(),
            **(bucket or self.new_bucket()).variables(),
            "OIDC__CERTS_URL": self.oidc.certs_url,
            "CRYPTO__PROVIDER": "file",
            "CRYPTO__ECDH_PRIVATE_KEY_PATH": str(self.nodes.own_key_path),
            "LISTEN__HOST": LOOPBACK,
            "LISTEN__PORTS": f"{first},{second}",
            **overrides,
        }

    def _new_hub(self, profile: Profile) -> RunningHub:
        directory = self.directory / f"hub-{uuid.uuid4().hex}"
        seed = HubSeed.load(directory, self.nodes)
        server = self._started(HubServer(directory, port=free_ports(1)[0], profile=profile))
        hub = RunningHub(server, seed)
        self._stack.callback(hub.close)
        return hub

    def _started[Server: (PostgresServer, S3Server, OidcIssuer, HubServer)](self, server: Server) -> Server:
        server.start()
        self._stack.callback(server.stop)
        return server
