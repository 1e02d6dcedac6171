"""The whole development stack: PostgreSQL with patients, S3, an OIDC issuer, the development hub, and on top of them
data-access-api and the agent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flame_node_agent.devstack.agent_server import IMPATIENCE, UNLIMITED, AgentServer
from flame_node_agent.devstack.child_server import ChildServer
from flame_node_agent.devstack.data_access_server import DataAccessServer
from flame_node_agent.devstack.hub_server import PROFILES, HubServer, Profile
from flame_node_agent.devstack.nodes import NodeRegister
from flame_node_agent.devstack.oidc import OidcIssuer
from flame_node_agent.devstack.omop.access import OmopAccess
from flame_node_agent.devstack.omop.load import load
from flame_node_agent.devstack.ports import LOOPBACK, NOBODY_THERE
from flame_node_agent.devstack.postgres import PostgresAccess, PostgresServer
from flame_node_agent.devstack.processes import Child
from flame_node_agent.devstack.s3 import S3Access, S3Server
from flame_node_agent.devstack.seed import HubSeed, default_flow
from flame_node_agent.devstack.state import StateDirectory

DATABASE = BUCKET = "flame"
OMOP_DATABASE = "omop"
OMOP_PERSONS = 10_000


@dataclass(frozen=True)
class TaskGround:
    """What FLIP's side of a stack is like: how many patients, and which kind of hub."""

    omop_persons: int = OMOP_PERSONS
    hub_rate_limits: bool = False
    hub_task_routes: str = "current"

    def hub_options(self) -> list[str]:
        """The hub's options on its command line."""
        return [
            "--task-routes",
            self.hub_task_routes,
            *(["--hub-rate-limits"] if self.hub_rate_limits else []),
        ]


_USUAL = TaskGround()

type Reporter = Callable[[str], None]


class Stack:
    """All parts over one state directory, which it locks from now until :meth:`stop`.

    Start and stop it in the main thread (see processes.py). ``agent_settings`` and ``data_access_settings`` replace or
    add to what the stack tells these two, variable by variable. Raises StackError when the directory is in use.
    """

    def __init__(
        self,
        directory: Path,
        *,
        profile: Profile = PROFILES[0],
        tasks: TaskGround = _USUAL,
        agent_settings: Mapping[str, str] | None = None,
        data_access_settings: Mapping[str, str] | None = None,
    ) -> None:
        self.state = StateDirectory(directory)
        self.state.lock()
        facts = self.state.facts()
        self.nodes = NodeRegister.load(self.state.part("nodes"))
        self.seed = HubSeed.load(self.state.part("hub"), self.nodes)
        self.postgres = PostgresServer(
            self.state.part("postgres", mode=0o711),
            port=facts.postgres_port,
            password=facts.postgres_password,
        )
        self.s3 = S3Server(
            self.state.part("s3"),
            ports=facts.s3_ports,
            access_key=facts.s3_access_key,
            secret_key=facts.s3_secret_key,
        )
        self.oidc = OidcIssuer(self.state.part("oidc"), port=facts.oidc_port)
        self.hub = HubServer(
            self.state.part("hub"), port=facts.hub_port, profile=profile, task_options=tasks.hub_options()
        )
        self.data_access = DataAccessServer(
            self.state.part("data-access"),
            env_file=self.state.path / "data-access.env",
            ports=(facts.data_access_port,),
        )
        self.agent = AgentServer(
            self.state.part("agent"), env_file=self.state.path / "agent.env", ports=facts.agent_ports
        )
        self._tasks = tasks
        self._reader_password = facts.omop_reader_password
        self._agent_settings = dict(agent_settings or {})
        self._data_access_settings = dict(data_access_settings or {})

    def start(self, report: Reporter) -> None:
        """Start every part in its order; ``report`` is told of each before. StackError when one cannot."""
        report("PostgreSQL")
        self.postgres.start()
        database = self.postgres.ensure_database(DATABASE)
        report(f"a synthetic OMOP database of {self._tasks.omop_persons:,} persons")
        omop = load(
            self.postgres.ensure_database(OMOP_DATABASE),
            self._tasks.omop_persons,
            reader_password=self._reader_password,
        )
        report("SeaweedFS, the S3 server")
        self.s3.start()
        bucket = self.s3.ensure_bucket(BUCKET)
        report("the OIDC issuer")
        self.oidc.start()
        report(f"the development hub (FLAME hub {self.hub.profile})")
        self.hub.start()
        report("data-access-api")
        self.data_access.write_settings(self._data_access_variables(database, omop))
        self.data_access.start()
        report("the agent")
        self.agent.write_settings(self._settings(database, bucket))
        self.agent.start()

    def stop(self) -> None:
        """Stop what runs, the agent first; harmless at any time."""
        for server in (self.agent, self.data_access, self.hub, self.oidc, self.s3, self.postgres):
            server.stop()
        self.state.unlock()

    def hurry(self) -> None:
        """Kill every part without waiting for anything, as a signal handler may; :meth:`stop` then is quick."""
        for child in self.children().values():
            child.send_kill()

    def children(self) -> dict[str, Child]:
        """The parts that are processes of their own and have been started, by their short names."""
        servers: dict[str, ChildServer] = {
            "agent": self.agent,
            "data_access": self.data_access,
            "hub": self.hub,
            "s3": self.s3,
            "postgres": self.postgres,
        }
        return {name: server.child for name, server in servers.items() if server.was_started}

    @property
    def database(self) -> PostgresAccess:
        """The agent's database."""
        return self.postgres.access(DATABASE)

    @property
    def omop(self) -> OmopAccess:
        """The patients' database."""
        owner = self.postgres.access(OMOP_DATABASE)
        return OmopAccess(owner, self._reader_password, self._tasks.omop_persons)

    @property
    def bucket(self) -> S3Access:
        """The agent's bucket."""
        return self.s3.access(BUCKET)

    def _settings(self, database: PostgresAccess, bucket: S3Access) -> dict[str, str]:
        return {
            **self.hub.urls.variables(),
            **self.seed.auth_variables(default_flow(self.hub.profile)),
            **database.variables(),
            **bucket.variables(),
            **self.seed.trust.task_variables(self.hub.urls.api, self.data_access.url),
            "IMAGING_API_URL": NOBODY_THERE,
            "XNAT_URL": NOBODY_THERE,
            "OMOP_DB_HOST": self.postgres.access(OMOP_DATABASE).host,
            "OMOP_DB_PORT": str(self.postgres.port),
            "OIDC__CERTS_URL": self.oidc.certs_url,
            "CRYPTO__PROVIDER": "file",
            "CRYPTO__ECDH_PRIVATE_KEY_PATH": str(self.nodes.own_key_path),
            "LISTEN__HOST": LOOPBACK,
            "LISTEN__PORTS": ",".join(map(str, self.agent.ports)),
            **IMPATIENCE,
            **({} if self._tasks.hub_rate_limits else UNLIMITED),
            **self._agent_settings,
        }

    def _data_access_variables(self, database: PostgresAccess, omop: OmopAccess) -> dict[str, str]:
        return {
            **self.seed.trust.service_variables(),
            **database.variables(),
            **omop.variables(),
            "LISTEN__HOST": LOOPBACK,
            "LISTEN__PORTS": ",".join(map(str, self.data_access.ports)),
            "SHUTDOWN_GRACE_SECONDS": IMPATIENCE["SHUTDOWN_GRACE_SECONDS"],
            **self._data_access_settings,
        }
