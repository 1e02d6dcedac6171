"""The state directory of one development stack: its lock, its ports and its secrets, the same over all restarts.

DIR/lock           held while a stack runs here
DIR/stack.json     ports and secrets
DIR/agent.env, DIR/data-access.env   settings of the agent and of data-access-api
DIR/{agent,data-access,hub,nodes,oidc,postgres,s3}/   data and logs of each part
"""

from __future__ import annotations

import fcntl
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from flame_node_agent.devstack.ports import free_ports
from flame_node_agent.devstack.private_files import read_json, write_json
from flame_node_agent.devstack.processes import StackError
from flame_node_agent.devstack.s3 import s3_ports


@dataclass(frozen=True)
class StackFacts:
    """What is drawn once for a state directory."""

    agent_ports: tuple[int, int]
    data_access_port: int
    hub_port: int
    oidc_port: int
    postgres_port: int
    s3_ports: tuple[int, ...]
    postgres_password: str
    omop_reader_password: str
    s3_access_key: str
    s3_secret_key: str

    @classmethod
    def draw(cls) -> StackFacts:
        """Free ports and fresh secrets."""
        store = s3_ports()
        others = [port for port in free_ports(6 + len(store)) if port not in store]
        return cls(
            agent_ports=(others[0], others[1]),
            hub_port=others[2],
            oidc_port=others[3],
            postgres_port=others[4],
            data_access_port=others[5],
            s3_ports=tuple(store),
            postgres_password=secrets.token_hex(16),
            omop_reader_password=secrets.token_hex(16),
            s3_access_key=secrets.token_hex(10),
            s3_secret_key=secrets.token_hex(20),
        )


class StateDirectory:
    """A state directory, locked for this process between :meth:`lock` and :meth:`unlock`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: int | None = None

    def lock(self) -> None:
        """Create it if need be and take its lock, which ends with this process; StackError if it is in use."""
        self.path.mkdir(mode=0o711, parents=True, exist_ok=True)
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise StackError(f"another development stack runs in {self.path}") from None
        self._lock = descriptor

    def unlock(self) -> None:
        """Let others have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def facts(self) -> StackFacts:
        """Ports and secrets, drawn on first use."""
        stored = self.path / "stack.json"
        known = read_json(stored)
        if not known:
            facts = StackFacts.draw()
            write_json(stored, asdict(facts))
            return facts
        known["agent_ports"] = tuple(known["agent_ports"])
        known["s3_ports"] = tuple(known["s3_ports"])
        try:
            return StackFacts(**known)
        except TypeError:
            raise StackError(
                f"{self.path} was made by another release; remove it or choose another"
            ) from None

    def part(self, name: str, *, mode: int = 0o700) -> Path:
        """The folder of one part, made with ``mode`` if it is not there."""
        folder = self.path / name
        folder.mkdir(mode=mode, exist_ok=True)
        return folder
