"""Everything is killed at random moments under load, and in the end nothing that was acknowledged is missing.

``CRASH_SEED`` repeats the order of events of a failed run (not its timing), ``CRASH_SECONDS`` makes it longer.
"""

from __future__ import annotations

import logging
import os
import time
from random import Random, SystemRandom
from typing import Any
from uuid import UUID

import pytest

from .agent_process import AgentProcess
from .ground import Ground, sha256
from .load import Load

log = logging.getLogger(__name__)

SECONDS = float(os.environ.get("CRASH_SECONDS", "50"))
SETTLE_SECONDS = 90.0
EXPECTED_ANSWERS = {200, 204, 503}


@pytest.mark.xdist_group("crash-servers")
@pytest.mark.timeout(SECONDS + SETTLE_SECONDS + 120)
@pytest.mark.parametrize("own_ground", ["0.8.21"], indirect=True)
def test_nothing_acknowledged_is_lost_whatever_is_killed_and_when(own_ground: Ground) -> None:
    seed = int(os.environ.get("CRASH_SEED", SystemRandom().randrange(10**6)))
    log.warning("CRASH_SEED=%s", seed)
    agent = own_ground.running_agent()
    load = Load(agent, seed)
    for route in ("/final", "/final", "/final", "/local", "/intermediate"):
        load.add(route, own_ground.analysis())
    kills = _kill_at_random(own_ground, agent, Random(seed))
    load.stop()
    log.warning("kills %s, answers %s", kills, dict(load.answers))

    agent.await_ready()
    own_ground.await_rest(seconds=SETTLE_SECONDS)
    _assert_complete(own_ground, agent, load)
    unexpected = {answer for answer in load.answers if isinstance(answer, int)} - EXPECTED_ANSWERS
    assert not unexpected, f"{load.answers} with seed {seed}"
    assert {row["state"] for row in own_ground.rows()} <= {"delivered", "retracted"}


def _kill_at_random(ground: Ground, agent: AgentProcess, random: Random) -> dict[str, int]:
    """Kill and restart until the time is over; how often each was killed."""
    kills = dict.fromkeys(("agent", "postgres", "s3", "hub"), 0)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        time.sleep(random.uniform(0.05, 1.2))
        victim = random.choices(list(kills), weights=[6, 1, 1, 1])[0]
        kills[victim] += 1
        if victim == "agent":
            agent.kill()
        else:
            _take_away(ground, victim, random, lambda: _maybe_kill(agent, random, kills))
        if not agent.child.alive:
            agent.start(until="/healthz")
    return kills


def _maybe_kill(agent: AgentProcess, random: Random, kills: dict[str, int]) -> None:
    """Kill the agent as well, now and then."""
    if random.random() < 0.3:
        agent.kill()
        agent.start(until=None)
        kills["agent"] += 1


def _take_away(ground: Ground, victim: str, random: Random, meanwhile: Any) -> None:
    """Kill a server and bring it back after a while."""
    server: Any = ground.hub.server if victim == "hub" else getattr(ground.parts, victim)
    server.kill()
    time.sleep(random.uniform(0, 1.5))
    meanwhile()
    server.start()


def _assert_complete(ground: Ground, agent: AgentProcess, load: Load) -> None:
    files = {file["id"]: file["sha256"] for file in ground.hub_files()}
    rows = {row["upload_id"]: row for row in ground.rows()}
    for known in load.acknowledged["/final"]:
        assert files[str(rows[UUID(known.id)]["hub_file_id"])] == known.sha256
    for known in load.acknowledged["/intermediate"]:
        assert files[known.id] == known.sha256
    for known in load.acknowledged["/local"]:
        content = (
            agent.http.get(f"/local/{known.id}", headers=known.analysis.headers).raise_for_status().content
        )
        assert sha256(content) == known.sha256
    for route, known in load.acknowledged.items():
        assert known, f"nothing was ever acknowledged at {route}"
