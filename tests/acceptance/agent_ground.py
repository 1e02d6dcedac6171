"""Where agents under test stand: a database and a bucket of their own, at a hub."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from flame_node_agent.devstack.hub_server import Profile
from flame_node_agent.devstack.seed import default_flow
from flame_node_agent.devstack.testing import LazyParts
from tests.acceptance.hub_accounts import HubAccounts, Login, accounts_in, accounts_of
from tests.acceptance.hub_user import HubUser
from tests.acceptance.running_agents import RunningAgent

ANY_PROFILE: Profile = "0.8.21"


class AgentGround:
    """Makes agents; knows all it has made, in ``agents``."""

    def __init__(self, parts: LazyParts) -> None:
        self._parts = parts
        self._shared: dict[Login, RunningAgent] = {}
        self._peers: dict[Login, RunningAgent] = {}
        self._users: dict[Profile | None, HubUser] = {}
        self.agents: list[RunningAgent] = []

    def shared(self, login: Login) -> RunningAgent:
        """The running agent of this session for a login."""
        if login not in self._shared:
            self._shared[login] = self.make(login).start()
        return self._shared[login]

    def make(self, login: Login | None = None, **settings: str) -> RunningAgent:
        """An agent on an empty database and bucket, not started yet; ``settings`` replace and add variables."""
        login = login or Login(ANY_PROFILE, default_flow(ANY_PROFILE))
        database, bucket = self._parts.new_database(), self._parts.new_bucket()
        hub = None if login.profile is None else self._parts.hub(login.profile)
        environment = self._parts.agent_environment(hub, database=database, bucket=bucket)
        # Of the hub of the environment nothing of the development hub may remain.
        others = {name: value for name, value in environment.items() if not name.startswith("HUB__")}
        signed_in = self.accounts(login).settings_of(login.flow)
        made = RunningAgent(self._new_directory(), {**others, **signed_in, **settings}, database, bucket)
        self.agents.append(made)
        return made

    def shared_peer(self, login: Login) -> RunningAgent:
        """The running agent of the other node on our curve, at the same hub."""
        if login not in self._peers:
            key_path = self._new_directory() / "private_key.pem"
            key_path.write_text(self._parts.nodes.peer.private_key_pem)
            self._peers[login] = self.make(login, CRYPTO__ECDH_PRIVATE_KEY_PATH=str(key_path)).start()
        return self._peers[login]

    def accounts(self, login: Login) -> HubAccounts:
        """The credentials at the login's hub."""
        if login.profile is not None:
            return accounts_of(self._parts.hub(login.profile))
        return accounts_in(os.environ)

    def user(self, login: Login) -> HubUser:
        """A user of the login's hub."""
        if login.profile not in self._users:
            self._users[login.profile] = HubUser(self.accounts(login))
        return self._users[login.profile]

    def close(self) -> None:
        """Stop all agents."""
        for agent in self.agents:
            agent.stop()
        for user in self._users.values():
            user.close()

    def _new_directory(self) -> Path:
        directory = self._parts.directory / f"agent-{uuid.uuid4().hex}"
        directory.mkdir()
        return directory
