"""Real parts for all tests: PostgreSQL, S3, an OIDC issuer and the development hub, started on first use.

Every pytest-xdist worker has servers of its own. `.env.test` is read as the Node Result Service's tests do:
what is set in the environment wins. With PYTEST__USE_TESTCONTAINERS=1 PostgreSQL and S3 come from containers
where Docker is at hand.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import pytest
from dotenv import dotenv_values
from hypothesis import HealthCheck, settings

from flame_node_agent.devstack.data_access_server import DataAccessServer
from flame_node_agent.devstack.hub_server import Profile
from flame_node_agent.devstack.nodes import NodeRegister
from flame_node_agent.devstack.oidc import OidcIssuer
from flame_node_agent.devstack.omop.access import OmopAccess
from flame_node_agent.devstack.postgres import PostgresAccess
from flame_node_agent.devstack.s3 import S3Access
from flame_node_agent.devstack.testing import BucketServer, DatabaseServer, LazyParts, RunningHub, Sides
from tests.acceptance.certified_issuer import AT_HAND

pytest_plugins = ["tests.scheduling"]

# The machines that run this are shared, so how long an example takes to run or to make tells nothing of the code.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")


class HubFactory(Protocol):
    """See :meth:`LazyParts.hub`."""

    def __call__(
        self, profile: Profile = ..., *, fresh: bool = ..., task_options: Sequence[str] = ...
    ) -> RunningHub: ...


class EnvironmentFactory(Protocol):
    """See :meth:`LazyParts.agent_environment`."""

    def __call__(
        self,
        hub: RunningHub | None = ...,
        *,
        profile: Profile = ...,
        flow: str | None = ...,
        database: PostgresAccess | None = ...,
        bucket: S3Access | None = ...,
        sides: Sides = ...,
        data_access_url: str = ...,
        **overrides: str,
    ) -> dict[str, str]: ...


class DataAccessEnvironmentFactory(Protocol):
    """See :meth:`LazyParts.data_access_environment`."""

    def __call__(
        self,
        hub: RunningHub | None = ...,
        *,
        omop: OmopAccess | None = ...,
        database: PostgresAccess | None = ...,
        **overrides: str,
    ) -> dict[str, str]: ...


CONTAINERS = "PYTEST__USE_TESTCONTAINERS"


GROUND = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    for name, value in dotenv_values(config.rootpath / ".env.test").items():
        if value is not None:
            os.environ.setdefault(name, value)
    config.stash[GROUND] = _settle_ground()


def pytest_report_header(config: pytest.Config) -> list[str]:
    issuers = (
        "embedded, and oidc-provider of npm"
        if AT_HAND
        else "only the embedded one, as there is no recent Node.js"
    )
    return [f"PostgreSQL and S3: {config.stash[GROUND]}", f"token issuers: {issuers}"]


def _settle_ground() -> str:
    """Where PostgreSQL and S3 will run, in words; the workers of a run find it decided in the environment."""
    if not _wants_containers():
        return "embedded"
    from flame_node_agent.devstack.containers import docker_at_hand

    if docker_at_hand():
        return "in containers"
    os.environ[CONTAINERS] = "0"
    return f"embedded, as no Docker engine with their images is at hand ({CONTAINERS} is set)"


def _wants_containers() -> bool:
    return os.environ.get(CONTAINERS, "").lower() in {"1", "true", "yes", "on"}


@pytest.fixture(scope="session")
def parts() -> Iterator[LazyParts]:
    """All parts of this worker; ask for the narrower fixtures below where they are enough."""
    with contextlib.closing(LazyParts(in_containers=_wants_containers())) as found:
        yield found


@pytest.fixture(scope="session")
def nodes(parts: LazyParts) -> NodeRegister:
    """Key pairs: this node's own, one other node's on our curve, one on the other."""
    return parts.nodes


@pytest.fixture(scope="session")
def postgres(parts: LazyParts) -> DatabaseServer:
    """The PostgreSQL server of this worker; who stops or kills it starts it again."""
    return parts.postgres


@pytest.fixture(scope="session")
def postgres_database(parts: LazyParts) -> Callable[[], PostgresAccess]:
    """Makes an empty database; ``.variables()`` are the agent's settings for it, ``.dsn`` its address."""
    return parts.new_database


@pytest.fixture(scope="session")
def omop(parts: LazyParts) -> OmopAccess:
    """A synthetic OMOP database of 2,000 persons: ``.dsn`` of its owner, ``.reader_dsn`` of data_analyst_reader,
    ``.variables()`` are data-access's settings for it. It is everybody's: who changes it undoes that."""
    return parts.omop


@pytest.fixture(scope="session")
def new_omop(parts: LazyParts) -> Callable[[int], OmopAccess]:
    """``new_omop(persons)``: a synthetic OMOP database of the caller's own."""
    return parts.new_omop


@pytest.fixture(scope="session")
def s3(parts: LazyParts) -> BucketServer:
    """The S3 server of this worker; who stops or kills it starts it again."""
    return parts.s3


@pytest.fixture(scope="session")
def s3_bucket(parts: LazyParts) -> Callable[[], S3Access]:
    """Makes an empty bucket; ``.variables()`` are the agent's settings for it, ``.client()`` reaches it."""
    return parts.new_bucket


@pytest.fixture(scope="session")
def oidc_issuer(parts: LazyParts) -> OidcIssuer:
    """The issuer of this worker: ``issue(client_id, **claims)`` and ``certs_url``."""
    return parts.oidc


@pytest.fixture(scope="session")
def dev_hub(parts: LazyParts) -> HubFactory:
    """``dev_hub(profile)``: the worker's hub of that profile; ``fresh=True``: one nobody else uses."""
    return parts.hub


@pytest.fixture(scope="session")
def node_env(parts: LazyParts) -> EnvironmentFactory:
    """``node_env(hub, **overrides)``: all settings of an agent, on a fresh database, bucket and ports."""
    return parts.agent_environment


@pytest.fixture(scope="session")
def data_access_env(parts: LazyParts) -> DataAccessEnvironmentFactory:
    """``data_access_env(hub, **overrides)``: all settings of a data-access-api, on a fresh database and port."""
    return parts.data_access_environment


@pytest.fixture
def data_access(
    parts: LazyParts, data_access_env: DataAccessEnvironmentFactory
) -> Iterator[Callable[..., DataAccessServer]]:
    """``data_access(hub, **overrides)``: a running data-access-api, ended with the test; ``.url``, ``.kill()``."""
    with contextlib.ExitStack() as stack:

        def start(hub: RunningHub | None = None, **overrides: str) -> DataAccessServer:
            return stack.enter_context(parts.data_access(data_access_env(hub, **overrides)))

        yield start
