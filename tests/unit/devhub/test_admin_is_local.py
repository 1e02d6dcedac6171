"""The admin API answers to the loopback interface only, the services to everybody."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from flame_node_agent.devstack.hub.app import create_app
from flame_node_agent.devstack.hub.profile import PROFILES
from flame_node_agent.devstack.hub.state import Hub

SEED = {
    "robot": {"id": "a0000000-0000-4000-8000-000000000001", "secret": "r"},
    "client": {"id": "a0000000-0000-4000-8000-000000000002", "secret": "c"},
    "user": {"username": "u", "password": "p"},
}


@pytest.mark.parametrize(
    ("address", "status"),
    [("127.0.0.1", 200), ("127.8.8.8", 200), ("::1", 200), ("10.0.0.7", 403), ("2001:db8::1", 403)],
)
async def test_admin_by_address(tmp_path: Path, address: str, status: int) -> None:
    (tmp_path / "hub-seed.json").write_text(json.dumps(SEED))
    hub = await Hub.open(tmp_path, PROFILES["0.13"], 60)
    try:
        transport = httpx.ASGITransport(create_app(hub), client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
            assert (await client.get("/admin/uploads")).status_code == status
            assert (await client.get("/admin/tasks")).status_code == status
            blank = {"name": "", "code": "", "region": ""}
            registered = await client.post("/api/admin/trusts", json=blank)
            assert registered.status_code == {200: 400}.get(status, status)
            assert (await client.get("/auth")).status_code == 200
    finally:
        await hub.close()


async def test_a_broken_seed_is_refused_and_not_half_planted(tmp_path: Path) -> None:
    (tmp_path / "hub-seed.json").write_text('{"robot": 1}')
    with pytest.raises(ValueError, match="robot"):
        await Hub.open(tmp_path, PROFILES["0.13"], 60)
    (tmp_path / "hub-seed.json").write_text(json.dumps(SEED))
    hub = await Hub.open(tmp_path, PROFILES["0.13"], 60)
    await hub.close()
