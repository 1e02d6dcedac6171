"""Heartbeats: what the tests of FLIP's trust-api check of them, on the wire, and that they go on whatever happens."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
import respx
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from structlog.testing import capture_logs

from flame_node_agent.agent import heartbeat as heartbeat_module
from flame_node_agent.agent.heartbeat import Heartbeat
from flame_node_agent.agent.hub_status import HubStatus
from flame_node_agent.agent.identity import IdentityCheck
from flame_node_agent.config.agent_settings import load_agent
from flame_node_agent.hub.tasks import TaskHub
from flame_node_agent.hub.transport import Transport
from flame_node_agent.telemetry import metrics
from flame_node_agent.wire.tasks import HeartbeatAnswer

URL = "http://hub.example/api/trust/heartbeat"
TRUST = "5d0e4ad6-3e0a-4c59-9b15-6a2f4e2c0d22"
SNAPSHOT = {"services": {"trust-api": {"status": "healthy"}}, "collected_at": "2026-01-01T00:00:00+00:00"}
RECORDED = {"trust_id": TRUST, "trust_name": "St Elsewhere", "message": "Heartbeat recorded"}
ENVIRONMENT = {
    "CENTRAL_HUB_API_URL": "http://hub.example",
    "TRUST_API_KEY": "hub-secret-4711",
    "TRUST_API_KEY_HEADER": "X-Trust-API-Key",
    "AES_KEY_BASE64": base64.b64encode(bytes(32)).decode("ascii"),
    "POSTGRES__HOST": "localhost",
    "POSTGRES__USER": "flame",
    "POSTGRES__PASSWORD": "database-secret-4711",
    "POSTGRES__DB": "flame",
}


@pytest.fixture(autouse=True)
def _no_proxies_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def route() -> Iterator[respx.Route]:
    with respx.mock(assert_all_called=False) as router:
        yield router.post(URL).respond(json=RECORDED)


@pytest.fixture
async def hub() -> AsyncIterator[TaskHub]:
    settings = load_agent(ENVIRONMENT, env_file=None).tasks
    assert settings is not None
    transport = Transport(settings)
    yield TaskHub(settings, transport)
    await transport.aclose()


class Ground:
    """A heartbeat with everything around it."""

    def __init__(self, hub: Any, expected: UUID | None = None, interval: float = 10) -> None:
        self.snapshot: dict[str, Any] | None = None
        self.identity = IdentityCheck(expected)
        self.status = HubStatus({"630dcd2966c4"})
        self.heartbeat = Heartbeat(
            hub, self.identity, self.status, lambda: self.snapshot, interval_seconds=interval
        )


@pytest.fixture
def ground(hub: TaskHub) -> Ground:
    return Ground(hub)


def bodies(route: respx.Route) -> list[Any]:
    return [json.loads(call.request.content) if call.request.content else None for call in route.calls]


def counted() -> dict[str, float]:
    return {name: metrics.HEARTBEATS.labels(name)._value.get() for name in ("ok", "refused", "unreachable")}


@pytest.fixture
def counts() -> Callable[[], dict[str, float]]:
    before = counted()
    return lambda: {name: value - before[name] for name, value in counted().items() if value != before[name]}


# The lines of FLIP's tests


async def test_heartbeat_is_posted_with_the_key_of_the_trust(route, ground, counts) -> None:
    await ground.heartbeat.round()
    request = route.calls.last.request
    assert str(request.url) == URL
    assert request.headers["X-Trust-API-Key"] == "hub-secret-4711"
    assert counts() == {"ok": 1}


async def test_heartbeat_has_no_body_before_the_first_snapshot(route, ground) -> None:
    await ground.heartbeat.round()
    assert bodies(route) == [None]


async def test_snapshot_is_attached_afterwards(route, ground) -> None:
    ground.snapshot = SNAPSHOT
    await ground.heartbeat.round()
    assert bodies(route) == [SNAPSHOT]
    assert route.calls.last.request.headers["Content-Type"] == "application/json"


async def test_refused_snapshot_is_left_out_in_one_more_try(route, ground, counts) -> None:
    ground.snapshot = SNAPSHOT
    refusal = httpx.Response(422, json={"detail": "x" * 600})
    route.mock(side_effect=[refusal, httpx.Response(200, json=RECORDED)])
    with capture_logs() as events:
        await ground.heartbeat.round()
    assert bodies(route) == [SNAPSHOT, None]
    assert counts() == {"ok": 1}
    (refused,) = [event for event in events if event["event"] == "heartbeat.snapshot_refused"]
    assert refused["log_level"] == "error"
    assert refused["reason"] == "x" * 500


async def test_hub_that_refuses_the_heartbeat_without_snapshot_too_is_left_alone(route, ground) -> None:
    ground.snapshot = SNAPSHOT
    route.respond(422, json={"detail": "no"})
    await ground.heartbeat.round()
    assert bodies(route) == [SNAPSHOT, None]


async def test_422_without_snapshot_is_not_tried_again(route, ground) -> None:
    route.respond(422, json={"detail": "no"})
    await ground.heartbeat.round()
    assert route.call_count == 1


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_other_refusals_are_not_tried_again_but_logged(route, ground, counts, status) -> None:
    ground.snapshot = SNAPSHOT
    route.respond(status, json={"detail": "y" * 300})
    with capture_logs() as events:
        await ground.heartbeat.round()
    assert route.call_count == 1
    (event,) = events
    assert (event["event"], event["log_level"]) == ("heartbeat.failed", "warning")
    assert event["reason"] == f"HTTP {status} - {'y' * 200}"
    assert counts() == {"refused": 1}


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ReadTimeout("late")])
async def test_transport_errors_are_logged_and_not_raised(route, ground, counts, error) -> None:
    route.mock(side_effect=error)
    with capture_logs() as events:
        await ground.heartbeat.round()
    assert [event["event"] for event in events] == ["heartbeat.failed"]
    assert counts() == {"unreachable": 1}


async def test_success_without_json_is_a_success(route, ground, counts) -> None:
    route.respond(200, text="fine")
    await ground.heartbeat.round()
    assert counts() == {"ok": 1}
    assert ground.status.hub_version is None


async def test_identity_in_the_answer_is_checked(route, hub) -> None:
    ground = Ground(hub, expected=UUID(int=1))
    await ground.heartbeat.round()
    assert ground.identity.mismatch.is_set()


async def test_hubs_version_and_key_are_noted_and_forgotten_when_it_says_no(route, ground) -> None:
    route.respond(json=RECORDED | {"hub_version": "2.0", "aes_key_fingerprint": "630dcd2966c4"})
    await ground.heartbeat.round()
    assert (ground.status.hub_version, ground.status.hub_key_match) == ("2.0", True)
    route.respond(401, json={"detail": "Invalid API Key."})
    await ground.heartbeat.round()
    assert (ground.status.hub_version, ground.status.hub_key_match) == (None, None)


@pytest.mark.parametrize("odd", [1, None, [], {}])
async def test_fingerprint_that_is_no_text_is_unknown(route, ground, odd) -> None:
    route.respond(json=RECORDED | {"hub_version": odd, "aes_key_fingerprint": odd})
    await ground.heartbeat.round()
    assert (ground.status.hub_version, ground.status.hub_key_match) == (None, None)


# Beyond them


async def test_outage_is_told_when_it_begins_when_it_changes_and_when_it_ends(route, ground) -> None:
    away, no = httpx.ConnectError("refused"), httpx.Response(500, json={"detail": "x"})
    route.mock(side_effect=[away, away, no, no, httpx.Response(200, json=RECORDED)])
    with capture_logs() as events:
        for _ in range(5):
            await ground.heartbeat.round()
    told = [event["event"] for event in events if event["log_level"] != "debug"]
    assert told == ["heartbeat.failed", "heartbeat.failed", "heartbeat.recovered", "identity.confirmed"]


class Hanging:
    """A hub that takes connections and never answers."""

    def __init__(self) -> None:
        self.beats = 0

    async def heartbeat(self, snapshot: object) -> HeartbeatAnswer:
        self.beats += 1
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


async def test_hub_that_never_answers_is_given_up_in_time_for_the_next_beat(monkeypatch, counts) -> None:
    monkeypatch.setattr(heartbeat_module, "SHORTEST_TIME_SECONDS", 0.01)
    ground = Ground(Hanging(), interval=0.1)
    with capture_logs() as events:
        await ground.heartbeat.round()
    assert events[0]["reason"] == "no answer within 0.09 s"
    assert counts() == {"unreachable": 1}


async def test_heartbeats_go_on_by_schedule_while_work_runs(ground, hub, route) -> None:
    """The scheduler starts each beat, whatever else the loop is waiting for."""
    scheduler = AsyncIOScheduler(job_defaults={"max_instances": 1, "coalesce": True})
    work = asyncio.create_task(asyncio.Event().wait())
    scheduler.add_job(ground.heartbeat.round, "interval", seconds=0.02)
    scheduler.start()
    try:
        async with asyncio.timeout(60):
            while route.call_count < 5:
                await asyncio.sleep(0.01)
    finally:
        scheduler.shutdown(wait=False)
        work.cancel()
