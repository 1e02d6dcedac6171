"""Trusts at the development hub: keys, registration, heartbeats, who is online."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from flame_node_agent.devstack.hub import records
from tests.unit.devhub.conftest import OpenHub
from tests.unit.devhub.trust import AES_KEY, KEY, OTHER, TRUST_ID, TRUST_NAME, TrustCalls

IDENTITY = {"trust_id": TRUST_ID, "trust_name": TRUST_NAME}
HEALTHY = {"status": "healthy", "version": "1.0", "response_ms": 3}


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({}, "Not authenticated: API key is missing."),
        ({"Authorization": ""}, "Not authenticated: API key is missing."),
        ({"Authorization": "wrong"}, "Invalid API Key."),
        ({"Authorization": f"Bearer {KEY}"}, "Invalid API Key."),
    ],
    ids=["no key", "an empty key", "a wrong key", "a bearer token"],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/tasks/pending"),
        ("POST", f"/api/tasks/{TRUST_ID}/result"),
        ("POST", "/api/trust/heartbeat"),
        ("POST", "/api/cohort/results"),
    ],
)
async def test_every_call_needs_the_trusts_key(
    calls: TrustCalls, method: str, path: str, headers: dict[str, str], detail: str
) -> None:
    answer = await calls.http.request(method, path, headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"detail": detail})
    assert answer.headers["www-authenticate"] == "ApiKey"


async def test_key_may_come_in_another_header(open_hub: OpenHub) -> None:
    calls = await open_hub(key_header="X-Trust-API-Key")
    assert (await calls.get("/api/tasks/pending")).status_code == 401
    answer = await calls.http.get("/api/tasks/pending", headers={"X-Trust-API-Key": KEY})
    assert answer.json() == {**IDENTITY, "tasks": []}


async def test_health_needs_no_key(calls: TrustCalls) -> None:
    assert (await calls.http.get("/api/health")).json() == {"status": "ok", "message": "flip is running"}
    assert (await calls.http.get("/api/trust/health")).json() == [{**IDENTITY, "online": False}]


async def test_heartbeat_tells_identity_version_and_key(calls: TrustCalls) -> None:
    answer = await calls.post("/api/trust/heartbeat")
    body = answer.json()
    assert answer.status_code == 200
    assert body.pop("hub_version")
    assert body.pop("aes_key_fingerprint") == hashlib.sha256(bytes(range(32))).hexdigest()[:12]
    assert body == {**IDENTITY, "message": "Heartbeat recorded"}


async def test_trust_is_online_for_30_seconds_after_a_heartbeat(calls: TrustCalls) -> None:
    await calls.post("/api/trust/heartbeat")
    assert (await calls.get("/api/trust/health")).json()[0]["online"] is True
    await calls.hub.database.write(
        lambda connection: connection.execute(
            "UPDATE trusts SET last_heartbeat = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', '-31 seconds')"
        )
    )
    assert (await calls.get("/api/trust/health")).json()[0]["online"] is False


@pytest.mark.parametrize(
    "snapshot",
    [
        {"services": {"trust-api": HEALTHY}},
        {
            "services": {"omop": {"status": "down", "version": None, "response_ms": None}},
            "collected_at": "now",
        },
        {"services": {f"s{number}": {"status": "unknown"} for number in range(16)}},
        {"services": {"a": {"status": "degraded", "version": "v" * 64, "response_ms": 1_000_000}}},
    ],
)
async def test_snapshot_is_kept_with_the_hubs_own_time(calls: TrustCalls, snapshot: dict[str, Any]) -> None:
    assert (await calls.post("/api/trust/heartbeat", snapshot)).status_code == 200
    kept = await calls.hub.database.read(
        lambda connection: connection.execute(
            "SELECT services_health, services_health_at FROM trusts"
        ).fetchone()
    )
    assert json.loads(kept[0])["services"].keys() == snapshot["services"].keys()
    assert kept[1] <= records.now()


@pytest.mark.parametrize(
    "snapshot",
    [
        {},
        {"services": {}},
        {"services": {f"s{number}": HEALTHY for number in range(17)}},
        {"services": {"Upper": HEALTHY}},
        {"services": {"a" * 33: HEALTHY}},
        {"services": {"a_b": HEALTHY}},
        {"services": {"a": {"status": "fine"}}},
        {"services": {"a": {**HEALTHY, "version": "v" * 65}}},
        {"services": {"a": {**HEALTHY, "response_ms": -1}}},
        {"services": {"a": {**HEALTHY, "response_ms": 1_000_001}}},
        ["services"],
    ],
)
async def test_snapshot_that_does_not_fit_is_a_422_and_no_sign_of_life(
    calls: TrustCalls, snapshot: Any
) -> None:
    answer = await calls.post("/api/trust/heartbeat", snapshot)
    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], list)
    assert (await calls.get("/api/trust/health")).json()[0]["online"] is False


async def test_registered_trust_can_call_at_once(calls: TrustCalls) -> None:
    answer = await calls.post("/api/admin/trusts", OTHER)
    made = answer.json()
    assert answer.status_code == 201
    assert made.keys() == {
        "id",
        "name",
        "code",
        "region",
        "created_at",
        "trust_api_key",
        "trust_internal_service_key",
        "fl_kit_slot",
        "fl_kit_slot_number",
    }
    assert made["fl_kit_slot_number"] == 2
    reply = await calls.http.get("/api/tasks/pending", headers={"Authorization": made["trust_api_key"]})
    assert reply.json() == {"trust_id": made["id"], "trust_name": "South", "tasks": []}


async def test_hub_keeps_hashes_of_keys_only(calls: TrustCalls) -> None:
    made = (await calls.post("/api/admin/trusts", OTHER)).json()
    rows = await calls.hub.database.read(
        lambda connection: [tuple(row) for row in connection.execute("SELECT * FROM trusts")]
    )
    for secret in (KEY, made["trust_api_key"], made["trust_internal_service_key"], AES_KEY):
        assert secret not in str(rows)
    assert hashlib.sha256(KEY.encode()).hexdigest() in str(rows)


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ({**OTHER, "name": " "}, 400),
        ({**OTHER, "code": ""}, 400),
        ({**OTHER, "name": TRUST_NAME}, 409),
        ({**OTHER, "code": "NTH"}, 409),
        ({"name": "South"}, 422),
    ],
    ids=["a blank name", "a blank code", "a known name", "a known code", "half of it"],
)
async def test_registration_is_refused_for(calls: TrustCalls, order: dict[str, str], status: int) -> None:
    answer = await calls.post("/api/admin/trusts", order)
    assert answer.status_code == status
    assert answer.json().keys() == {"detail"}
