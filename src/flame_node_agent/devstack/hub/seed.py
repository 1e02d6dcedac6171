"""``hub-seed.json``: whom the hub knows and what it holds when it starts for the first time."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel, ConfigDict, SecretStr

from flame_node_agent.devstack.hub import records
from flame_node_agent.devstack.hub.analyses import add_analysis
from flame_node_agent.devstack.hub.entities import (
    CLIENT,
    MASTER_IMAGE,
    MASTER_IMAGE_GROUP,
    NODE,
    PROJECT,
    REALM,
    ROBOT,
    USER,
)
from flame_node_agent.devstack.hub.payloads import public_key_hex

SEED_FILE = "hub-seed.json"
MASTER_REALM = "master"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Account(_Frozen):
    """A robot or client that may ask for tokens."""

    id: UUID
    secret: str


class Person(_Frozen):
    """A user that may ask for tokens."""

    username: str
    password: str


class SeedNode(_Frozen):
    """A node; ``robot_id`` and ``client_id`` are made up where the seed has none, as a real hub would."""

    id: UUID
    name: str
    public_key_pem: str | None = None
    client_id: UUID | None = None
    robot_id: UUID | None = None


class SeedProject(_Frozen):
    id: UUID
    name: str


class SeedAnalysis(_Frozen):
    id: UUID
    name: str
    project_id: UUID


class SeedTrust(_Frozen):
    """The trust that FLIP's side of the hub knows from the start."""

    id: UUID
    name: str
    code: str
    region: str
    api_key: SecretStr


class Seed(_Frozen):
    """The file's content."""

    robot: Account
    client: Account
    user: Person
    nodes: tuple[SeedNode, ...] = ()
    projects: tuple[SeedProject, ...] = ()
    analyses: tuple[SeedAnalysis, ...] = ()
    trust: SeedTrust | None = None
    aes_key_base64: SecretStr | None = None


def read_seed(state_dir: Path) -> Seed:
    """Read the file; OSError if it is missing, ValueError (pydantic) if it does not fit."""
    return Seed.model_validate_json((state_dir / SEED_FILE).read_bytes())


def is_seeded(connection: sqlite3.Connection, part: str = "seeded") -> bool:
    return connection.execute("SELECT 1 FROM settings WHERE name = ?", (part,)).fetchone() is not None


def mark_seeded(connection: sqlite3.Connection, part: str = "seeded") -> None:
    connection.execute("INSERT INTO settings (name, value) VALUES (?, 'yes')", (part,))


def plant(connection: sqlite3.Connection, seed: Seed) -> None:
    """Put the seed into an empty state file."""
    realm = records.insert(connection, REALM, {"name": MASTER_REALM, "built_in": True})["id"]
    user = records.insert(
        connection, USER, {"name": seed.user.username, "password": seed.user.password, "realm_id": realm}
    )
    for entity, account in ((ROBOT, seed.robot), (CLIENT, seed.client)):
        records.insert(
            connection,
            entity,
            {"id": str(account.id), "name": entity.name, "secret": account.secret, "realm_id": realm},
        )
    for node in seed.nodes:
        row = {
            "id": str(node.id),
            "name": node.name,
            "public_key": public_key_hex(node.public_key_pem),
            "robot_id": str(node.robot_id or records.new_id()),
            "client_id": str(node.client_id or records.new_id()),
            "realm_id": realm,
        }
        records.insert(connection, NODE, row)
    for project in seed.projects:
        owned = {"id": str(project.id), "name": project.name, "realm_id": realm, "user_id": user["id"]}
        records.insert(connection, PROJECT, owned)
    for analysis in seed.analyses:
        values = {"id": str(analysis.id), "name": analysis.name, "project_id": str(analysis.project_id)}
        add_analysis(connection, {**values, "user_id": user["id"]})
    _plant_master_images(connection)
    mark_seeded(connection)


def _plant_master_images(connection: sqlite3.Connection) -> None:
    """The one image that the Node Result Service's tests ask for, ``python/base``."""
    group = {"name": "python", "path": "python", "virtual_path": "python"}
    records.insert(connection, MASTER_IMAGE_GROUP, group)
    image = {
        "name": "base",
        "path": "python/base",
        "virtual_path": "python/base",
        "group_virtual_path": "python",
        "command": "python",
    }
    records.insert(connection, MASTER_IMAGE, image)
