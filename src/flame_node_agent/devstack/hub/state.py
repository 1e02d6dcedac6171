"""What one running hub consists of, and how a request handler gets at it."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request

from flame_node_agent.devstack.hub import links, task_side
from flame_node_agent.devstack.hub.database import Database
from flame_node_agent.devstack.hub.faults import Faults
from flame_node_agent.devstack.hub.files import FileStore
from flame_node_agent.devstack.hub.links import Linker
from flame_node_agent.devstack.hub.profile import Profile
from flame_node_agent.devstack.hub.schema import create_tables
from flame_node_agent.devstack.hub.seed import is_seeded, plant, read_seed
from flame_node_agent.devstack.hub.task_side import TaskOptions, TaskSide
from flame_node_agent.devstack.hub.tokens import Identity, Tokens, signing_key

DATABASE_FILE = "hub.sqlite3"
_AS_A_REAL_HUB = TaskOptions()


@dataclass(frozen=True)
class Hub:
    """The parts of a running hub."""

    profile: Profile
    database: Database
    files: FileStore
    tokens: Tokens
    faults: Faults
    linker: Linker
    linking: asyncio.Task[None]
    task_side: TaskSide

    @classmethod
    async def open(
        cls, state_dir: Path, profile: Profile, token_seconds: int, task_options: TaskOptions = _AS_A_REAL_HUB
    ) -> Hub:
        """Open the state folder, planting the seed if it is new, and clear away what a crash left behind.

        Raises OSError or ValueError if the folder is new and its seed file cannot be read.
        """
        database = Database(state_dir / DATABASE_FILE)

        def prepare(connection: sqlite3.Connection) -> tuple[str, str, frozenset[str]]:
            create_tables(connection)
            if not is_seeded(connection):
                plant(connection, read_seed(state_dir))
            known = frozenset(row[0] for row in connection.execute("SELECT id FROM bucket_files"))
            return signing_key(connection), task_side.prepare(connection, state_dir), known

        try:
            key, aes_key, known = await database.write(prepare)
            files = FileStore(state_dir)
            await asyncio.to_thread(files.sweep, known)
        except BaseException:
            database.close()
            raise
        linker = Linker(database, profile)
        return cls(
            profile=profile,
            database=database,
            files=files,
            tokens=Tokens(key, profile, token_seconds),
            faults=Faults(profile),
            linker=linker,
            linking=asyncio.create_task(linker.run()),
            task_side=TaskSide.start(database, task_options, aes_key),
        )

    async def close(self) -> None:
        """Finish queued writes and close the state file."""
        await links.stop(self.task_side.recovering)
        await links.stop(self.linking)
        await asyncio.to_thread(self.database.close)


def hub_of(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


async def identify(request: Request) -> None:
    """Dependency of every core and storage route: a valid access token, or 401."""
    request.state.identity = hub_of(request).tokens.identify(request.headers.get("authorization"))


def identity_of(request: Request) -> Identity:
    identity: Identity = request.state.identity
    return identity
