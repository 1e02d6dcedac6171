"""Trusts: how they are registered, told apart by their keys, and seen to be online (FLIP hub, 2.1 and 2.7)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.exceptions import HTTPException

from flame_node_agent.devstack.hub import records
from flame_node_agent.devstack.hub.seed import SeedTrust

HEARTBEAT_TIMEOUT_SECONDS = 30.0
_CHALLENGE = {"WWW-Authenticate": "ApiKey"}


@dataclass(frozen=True)
class Trust:
    """Who is calling."""

    id: str
    name: str

    def identity(self) -> dict[str, str]:
        """How the answers of current routes begin."""
        return {"trust_id": self.id, "trust_name": self.name}


def plant_trust(connection: sqlite3.Connection, trust: SeedTrust) -> None:
    """Register the trust of the seed, whose id and key are given."""
    _insert(connection, str(trust.id), trust.name, trust.code, trust.region, trust.api_key.get_secret_value())


def register(connection: sqlite3.Connection, name: str, code: str, region: str) -> dict[str, Any]:
    """Register a trust and draw its keys, which are told this once; a 409 for a name or code that is taken."""
    key = secrets.token_urlsafe(32)
    try:
        row = _insert(connection, records.new_id(), name, code, region, key)
    except sqlite3.IntegrityError:
        raise HTTPException(409, f"Trust '{name}' already exists") from None
    return {
        **row,
        "trust_api_key": key,
        "trust_internal_service_key": secrets.token_urlsafe(32),
        "fl_kit_slot": f"Trust_{row['fl_kit_slot_number']}",
    }


def authenticate(connection: sqlite3.Connection, key: str | None) -> Trust:
    """Whose key it is; 401 if it is nobody's. Every hash is looked at, so that time tells nothing."""
    if not key:
        raise HTTPException(401, "Not authenticated: API key is missing.", _CHALLENGE)
    given = _hash(key)
    found = None
    for row in connection.execute("SELECT id, name, api_key_hash FROM trusts"):
        if hmac.compare_digest(row["api_key_hash"], given):
            found = Trust(row["id"], row["name"])
    if found is None:
        raise HTTPException(401, "Invalid API Key.", _CHALLENGE)
    return found


def beat(connection: sqlite3.Connection, trust: Trust, health: str | None) -> None:
    """Note that the trust is alive and, if it says, how its services are."""
    now = records.now()
    connection.execute("UPDATE trusts SET last_heartbeat = ? WHERE id = ?", (now, trust.id))
    if health is not None:
        connection.execute(
            "UPDATE trusts SET services_health = ?, services_health_at = ? WHERE id = ?",
            (health, now, trust.id),
        )


def online(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """Every trust and whether it was heard of lately."""
    since = (datetime.now(UTC) - timedelta(seconds=HEARTBEAT_TIMEOUT_SECONDS)).strftime(records.TIME_FORMAT)
    return [
        {
            "trust_id": row["id"],
            "trust_name": row["name"],
            "online": bool(row["last_heartbeat"] and row["last_heartbeat"] >= since),
        }
        for row in connection.execute("SELECT id, name, last_heartbeat FROM trusts ORDER BY rowid")
    ]


def _insert(
    connection: sqlite3.Connection, trust_id: str, name: str, code: str, region: str, key: str
) -> dict[str, Any]:
    slot = connection.execute("SELECT coalesce(max(fl_kit_slot_number), 0) + 1 FROM trusts").fetchone()[0]
    row = {
        "id": trust_id,
        "name": name,
        "code": code,
        "region": region,
        "fl_kit_slot_number": slot,
        "created_at": records.now(),
    }
    connection.execute(
        "INSERT INTO trusts (id, name, code, region, fl_kit_slot_number, created_at, api_key_hash)"
        " VALUES (:id, :name, :code, :region, :fl_kit_slot_number, :created_at, :api_key_hash)",
        {**row, "api_key_hash": _hash(key)},
    )
    return row


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
