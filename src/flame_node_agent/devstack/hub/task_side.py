"""FLIP's side of a running hub: its options, its keys and its one job, the recovery of stale tasks."""

from __future__ import annotations

import asyncio
import base64
import secrets
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from flame_node_agent.crypto.envelope import Keyring
from flame_node_agent.devstack.hub.database import Database
from flame_node_agent.devstack.hub.legacy_payloads import seal_without_authentication
from flame_node_agent.devstack.hub.rate_limits import RateLimits
from flame_node_agent.devstack.hub.seed import is_seeded, mark_seeded, read_seed
from flame_node_agent.devstack.hub.trust_schema import create_trust_tables
from flame_node_agent.devstack.hub.trust_tasks import recover_stale
from flame_node_agent.devstack.hub.trusts import plant_trust

CURRENT, NAMED = "current", "named"
TASK_ROUTES = (CURRENT, NAMED)
_SEEDED = "trust_seeded"


@dataclass(frozen=True)
class TaskOptions:
    """How the hub's task side behaves. Times are in seconds; the defaults are those of a real hub."""

    routes: str = CURRENT
    key_header: str = "Authorization"
    rate_limits: bool = False
    stale_seconds: float = 1800
    stale_scan_seconds: float = 600
    max_retries: int = 3
    legacy_cbc: bool = False


@dataclass(frozen=True)
class TaskSide:
    """What the task routes work with."""

    options: TaskOptions
    keyring: Keyring
    limits: RateLimits
    recovering: asyncio.Task[None]

    def seal(self, plaintext: str, context: str) -> str:
        """Seal a secret for the trust, for ``context`` alone unless the hub is from before envelopes."""
        if self.options.legacy_cbc:
            return seal_without_authentication(plaintext, self.keyring.shared_key_text)
        return self.keyring.encrypt(plaintext, context)

    @classmethod
    def start(cls, database: Database, options: TaskOptions, aes_key: str) -> TaskSide:
        """Begin to recover stale tasks."""
        return cls(
            options,
            Keyring(aes_key),
            RateLimits(on=options.rate_limits),
            asyncio.create_task(_recover(database, options)),
        )


def prepare(connection: sqlite3.Connection, state_dir: Path) -> str:
    """Make the tables and plant the seed's trust, once; returns the hub's AES key as base64 text."""
    create_trust_tables(connection)
    if not is_seeded(connection, _SEEDED):
        seed = read_seed(state_dir)
        if seed.trust is not None:
            plant_trust(connection, seed.trust)
        key = seed.aes_key_base64.get_secret_value() if seed.aes_key_base64 else _draw_key()
        connection.execute("INSERT INTO settings (name, value) VALUES ('aes_key_base64', ?)", (key,))
        mark_seeded(connection, _SEEDED)
    return str(connection.execute("SELECT value FROM settings WHERE name = 'aes_key_base64'").fetchone()[0])


def _draw_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode("ascii")


async def _recover(database: Database, options: TaskOptions) -> None:
    while True:
        await database.write(lambda c: recover_stale(c, options.stale_seconds, options.max_retries))
        await asyncio.sleep(options.stale_scan_seconds)
