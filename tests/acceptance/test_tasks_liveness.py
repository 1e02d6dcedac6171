"""Heartbeats and /health: that this node is alive, whatever else it does, and what it knows of its hub."""

from __future__ import annotations

import base64
import itertools
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from flame_node_agent.devstack.testing import NOBODY_THERE, LazyParts
from tests.acceptance.hub_agents import Trust, awaited, serving_trust
from tests.acceptance.task_services import StandIn
from tests.acceptance.task_witness import Passage, Witness, watched_trust

INTERVAL = 1.0
SETTINGS = {"HEARTBEAT_INTERVAL_SECONDS": str(INTERVAL), "HEALTH_COLLECT_INTERVAL_SECONDS": "0.3"}
QUERY = "SELECT person_id FROM omop.person"
UNKNOWN = {"hub_version": None, "hub_key_match": None, "hub_key_fingerprint": None}


@pytest.fixture
def services() -> Iterator[StandIn]:
    with StandIn() as services:
        yield services
        services.open.set()


@pytest.fixture(scope="module")
def services_of_site() -> Iterator[StandIn]:
    with StandIn() as services:
        yield services


@pytest.fixture(scope="module")
def site(
    parts: LazyParts, tmp_path_factory: pytest.TempPathFactory, services_of_site: StandIn
) -> Iterator[tuple[Trust, Witness, StandIn]]:
    """One agent for all that do not need to see how it begins."""
    url = services_of_site.url
    overrides = {"IMAGING_API_URL": url, "FL_CLIENT_IMAGE_TAG": "1.2.3", **SETTINGS}
    hub, directory = parts.hub(fresh=True), tmp_path_factory.mktemp("agent")
    with watched_trust(parts, directory, hub, url, **overrides) as (trust, witness):
        yield trust, witness, services_of_site


type Site = tuple[Trust, Witness, StandIn]


def longest_pause(beats: list[Passage]) -> float:
    """Seconds between the two neighbours that are farthest from each other."""
    times = [beat.request.at for beat in beats]
    return max(later - earlier for earlier, later in itertools.pairwise(times))


def of_hub(trust: Trust) -> dict[str, Any]:
    """What /health tells of the hub."""
    return {name: value for name, value in trust.health().items() if name in UNKNOWN}


def online(trust: Trust) -> bool:
    """Whether the hub shows this trust as online."""
    (shown,) = httpx.get(f"{trust.hub.urls.api}/trust/health", trust_env=False).json()
    return bool(shown["online"])


def more_beats(witness: Witness, number: int) -> list[Passage]:
    """Wait for so many more heartbeats that the hub has answered with 200, and give all of them since."""
    begin = len(witness.heartbeats())

    def look() -> list[Passage] | None:
        beats = witness.heartbeats()[begin:]
        return beats if sum(beat.status == 200 for beat in beats) >= number else None

    return awaited(look)


def test_heartbeats_never_pause_while_queries_run(site: Site) -> None:
    """All places for queries are taken for the time of twelve heartbeats, and an import as long runs beside them."""
    trust, witness, services = site
    services.open.clear()
    asked = [trust.ask(QUERY, str(uuid4())) for _ in range(6)]
    asked.append(trust.hub.order_task("delete_imaging", imaging_project_id=str(uuid4())))
    awaited(lambda: services.in_hand >= 5 or None)
    beats = more_beats(witness, 12)
    known = trust.hub.tasks()
    assert all(known[task_id]["status"] == "IN_PROGRESS" for task_id in asked)
    assert longest_pause(beats) <= 2 * INTERVAL
    assert online(trust)
    services.open.set()
    assert {trust.closed(task_id)["status"] for task_id in asked} == {"COMPLETED"}


def test_hub_accepts_the_health_that_heartbeats_carry(site: Site) -> None:
    """The hub checks the form of each snapshot; all seven services are in it, with what was seen of them."""
    trust, witness, _ = site
    full = awaited(lambda: next((each for each in witness.heartbeats() if each.request.body), None))
    assert full.status == 200
    told = full.sent()["services"]
    assert told["data-access-api"]["status"] in {"healthy", "degraded"}
    assert told["data-access-api"]["version"] == "stand-in"
    assert told["xnat"]["status"] == "down"
    assert told["fl-client"] == {"status": "unknown", "version": "1.2.3", "response_ms": None}
    assert sorted(told) == [
        "data-access-api",
        "dicom",
        "fl-client",
        "imaging-api",
        "omop",
        "trust-api",
        "xnat",
    ]
    assert online(trust)


def test_heartbeat_whose_health_the_hub_refuses_is_repeated_without_it(site: Site) -> None:
    trust, witness, _ = site
    awaited(lambda: next((each for each in witness.heartbeats() if each.request.body), None))
    trust.hub.fault(match="POST /api/trust/heartbeat", status=422, count=1)
    awaited(lambda: next((each for each in witness.heartbeats() if each.status == 422), None))
    more_beats(witness, 2)
    beats = witness.heartbeats()
    place = next(number for number, beat in enumerate(beats) if beat.status == 422)
    refused, repeated, following = beats[place : place + 3]
    assert refused.request.body
    assert (repeated.status, repeated.request.body) == (200, b"")
    assert repeated.request.at - refused.request.at < INTERVAL
    assert following.request.body
    assert trust.log().count("heartbeat.snapshot_refused") == 1


def test_heartbeats_come_back_with_the_hub(site: Site) -> None:
    """They are not stretched by an outage, and the loss is told once, not at each of them."""
    trust, witness, _ = site
    more_beats(witness, 1)
    trust.hub.kill()
    begin = len(witness.heartbeats())
    awaited(lambda: len(witness.heartbeats()) >= begin + 4 or None)
    away = witness.heartbeats()[begin : begin + 4]
    assert not [beat.status for beat in away[1:] if beat.status is not None]
    trust.hub.restart()
    beats = more_beats(witness, 2)
    assert longest_pause(away) <= 2 * INTERVAL
    assert longest_pause(beats) <= 2 * INTERVAL
    assert online(trust)
    awaited(lambda: "heartbeat.recovered" in trust.log() or None)
    loud = [line for line in trust.log().splitlines() if "heartbeat.failed" in line and "warning" in line]
    assert 1 <= len(loud) <= 2


def test_health_follows_what_the_hub_says(parts: LazyParts, tmp_path: Path, services: StandIn) -> None:
    """Nothing is known before the first answer, all after it; and nothing again once the hub has said no."""
    hub = parts.hub()
    hub.fault(match="POST /api/trust/heartbeat", status=503)
    with serving_trust(parts, tmp_path, hub, services.url, **SETTINGS) as trust:
        awaited(lambda: "heartbeat.failed" in trust.log() or None)
        assert of_hub(trust) == UNKNOWN
        assert trust.health().keys() == {"status", "version", "dead_tasks", *UNKNOWN}
        hub.clear_faults()
        known = awaited(lambda: found if (found := of_hub(trust)) != UNKNOWN else None)
        assert known["hub_key_match"] is True
        assert known["hub_version"].startswith("devhub-")
        assert len(known["hub_key_fingerprint"]) == 12
        hub.fault(match="POST /api/trust/heartbeat", status=401)
        awaited(lambda: of_hub(trust) == UNKNOWN or None)
        assert (trust.health()["status"], trust.health()["dead_tasks"]) == ("ok", [])


def test_hub_that_seals_with_another_key_is_told_from_one_that_does_not_say(
    parts: LazyParts, tmp_path: Path, services: StandIn
) -> None:
    hub = parts.hub()
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    with watched_trust(parts, tmp_path, hub, services.url, AES_KEY_BASE64=key, **SETTINGS) as (
        trust,
        witness,
    ):
        awaited(lambda: of_hub(trust)["hub_key_match"] is False or None)
        more_beats(witness, 3)
        assert trust.log().count("hub.key_mismatch") == 1
        assert key not in trust.log()


def test_older_hub_that_says_nothing_of_itself_is_unknown_and_never_a_mismatch(
    parts: LazyParts, tmp_path: Path
) -> None:
    hub = parts.hub(task_options=["--task-routes", "named"])
    with watched_trust(parts, tmp_path, hub, NOBODY_THERE, **SETTINGS) as (trust, witness):
        more_beats(witness, 3)
        assert of_hub(trust) == UNKNOWN
        assert "hub.key_mismatch" not in trust.log()
        assert online(trust)
