"""What a hub does beyond storing a record when one is created or changed."""

from __future__ import annotations

import sqlite3
from typing import Any

from flame_node_agent.devstack.hub import records
from flame_node_agent.devstack.hub.analyses import add_analysis
from flame_node_agent.devstack.hub.entities import (
    ANALYSIS,
    ANALYSIS_BUCKET_FILE,
    BUCKET,
    ENTITIES,
    NODE,
    PROJECT,
)
from flame_node_agent.devstack.hub.fields import Entity
from flame_node_agent.devstack.hub.links import add_link
from flame_node_agent.devstack.hub.payloads import check_lengths, public_key_hex
from flame_node_agent.devstack.hub.profile import Profile
from flame_node_agent.devstack.hub.records import Row
from flame_node_agent.devstack.hub.refusals import Refusal, bad_request, duplicate
from flame_node_agent.devstack.hub.tokens import Identity

_PAIRS = {"project_node": ("project", "node"), "analysis_node": ("analysis", "node")}


def create(
    connection: sqlite3.Connection,
    entity: Entity,
    profile: Profile,
    identity: Identity,
    values: dict[str, Any],
) -> Row:
    """Insert a checked payload as ``identity``; a 400 for a relation that does not exist, a conflict for a repeat."""
    _check_relations(connection, entity, values)
    owner = {f"{identity.type}_id": identity.id}
    try:
        if entity is ANALYSIS:
            if identity.type != "user":
                raise Refusal(403, "Only user accounts are permitted to create an analysis.")
            return add_analysis(connection, {**values, "user_id": identity.id})
        if entity is ANALYSIS_BUCKET_FILE:
            return add_link(connection, profile, {**values, **owner})
        return records.insert(connection, entity, _completed(connection, entity, identity, values, owner))
    except sqlite3.IntegrityError:
        raise duplicate(profile) from None


def change(
    connection: sqlite3.Connection, entity: Entity, profile: Profile, record_id: str, values: dict[str, Any]
) -> Row | None:
    """Change a record; None if there is none."""
    _check_relations(connection, entity, values)
    if "public_key" in values:
        values = {**values, "public_key": public_key_hex(values["public_key"])}
    check_lengths(entity, values)
    try:
        return records.update(connection, entity, record_id, values)
    except sqlite3.IntegrityError:
        raise duplicate(profile) from None


def _completed(
    connection: sqlite3.Connection,
    entity: Entity,
    identity: Identity,
    values: dict[str, Any],
    owner: dict[str, str],
) -> dict[str, Any]:
    """``values`` with what the hub adds by itself."""
    full = dict(values)
    if "realm_id" in entity.by_column and not full.get("realm_id"):
        full["realm_id"] = identity.realm_id
    if entity is PROJECT:
        full |= owner
    elif entity is BUCKET:
        full |= {"actor_type": identity.type, "actor_id": identity.id}
    elif entity is NODE:
        # Every node gets a robot, later a client, of its own.
        full |= {"robot_id": records.new_id(), "client_id": records.new_id()}
        full["public_key"] = public_key_hex(full.get("public_key"))
    for side in _PAIRS.get(entity.name, ()):
        related = records.get(connection, ENTITIES[side], full[f"{side}_id"])
        full[f"{side}_realm_id"] = related and related["realm_id"]
    check_lengths(entity, full)
    return full


def _check_relations(connection: sqlite3.Connection, entity: Entity, values: dict[str, Any]) -> None:
    for relation in entity.relations:
        key = values.get(relation.column)
        if key is not None and records.get(connection, ENTITIES[relation.target], key) is None:
            raise bad_request(f"Can't find {relation.target} entity by {relation.column}.")
