"""The whole development stack: PostgreSQL, S3, an OIDC issuer, the development hub and the agent on top of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from flame_node_agent.devstack.agent_server import IMPATIENCE, AgentServer
from flame_node_agent.devstack.child_server import ChildServer
from flame_node_agent.devstack.hub_server import PROFILES, HubServer, Profile
from flame_node_agent.devstack.nodes import NodeRegister
from flame_node_agent.devstack.oidc import OidcIssuer
from flame_node_agent.devstack.ports import LOOPBACK
from flame_node_agent.devstack.postgres import PostgresAccess, PostgresServer
from flame_node_agent.devstack.processes import Child
from flame_node_agent.devstack.s3 import S3Access, S3Server
from flame_node_agent.devstack.seed import HubSeed, default_flow
from flame_node_agent.devstack.state import StateDirectory

DATABASE = BUCKET = "flame"

type Reporter = Callable[[str], None]


class Stack:
    """All parts over one state directory, which it locks from now until :meth:`stop`.

    Start and stop it in the main thread (see processes.py). ``agent_settings`` replace or add to what the stack
    tells the agent, variable by variable. Raises StackError when the directory is in use.
    """

    def __init__(
        self,
        directory: Path,
        *,
        profile: Profile = PROFILES[0],
        agent_settings: Mapping[str, str] | None = None,
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
        self.hub = HubServer(self.state.part("hub"), port=facts.hub_port, profile=profile)
        self.agent = AgentServer(
            self.state.part("agent"), env_file=self.state.path / "agent.env", ports=facts.agent_ports
        )
        self._agent_settings = dict(agent_settings or {})

    def start(self, report: Reporter) -> None:
        """Start every part in its order; ``report`` is told of each before. StackError when one cannot."""
        report("PostgreSQL")
        self.postgres.start()
        database = self.postgres.ensure_database(DATABASE)
        report("SeaweedFS, the S3 server")
        self.s3.start()
        bucket = self.s3.ensure_bucket(BUCKET)
        report("the OIDC issuer")
        self.oidc.start()
        report(f"the development hub (FLAME hub {self.hub.profile})")
        self.hub.start()
        report("the agent")
        self.agent.write_settings(self._settings(database, bucket))
        self.agent.start()

    def stop(self) -> None:
        """Stop what runs, the agent first; harmless at any time."""
        for server in (self.agent, self.hub, self.oidc, self.s3, self.postgres):
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
    def bucket(self) -> S3Access:
        """The agent's bucket."""
        return self.s3.access(BUCKET)

    def _settings(self, database: PostgresAccess, bucket: S3Access) -> dict[str, str]:
        return {
            **self.hub.urls.variables(),
            **self.seed.auth_variables(default_flow(self.hub.profile)),
            **database.variables(),
            **bucket.variables(),
            "OIDC__CERTS_URL": self.oidc.certs_url,
            "CRYPTO__PROVIDER": "file",
            "CRYPTO__ECDH_PRIVATE_KEY_PATH": str(self.nodes.own_key_path),
            "LISTEN__HOST": LOOPBACK,
            "LISTEN__PORTS": ",".join(map(str, self.agent.ports)),
            **IMPATIENCE,
            **self._agent_settings,
        }
