"""Everything is killed at random moments under load, and in the end nothing that was acknowledged is missing.

The seed also decides which kind of hub it is, and whether there is a second agent. ``CRASH_SEED`` makes another order
of events (a seed repeats the order, not its timing), ``CRASH_SECONDS`` a longer run.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest

from flame_node_agent.devstack.testing import LazyParts

from .agent_process import AgentProcess
from .conftest import PROFILES
from .ground import Ground, sha256
from .load import Load

log = logging.getLogger(__name__)

SECONDS = float(os.environ.get("CRASH_SECONDS", "50"))
DEFAULT_SEED = 7
SETTLE_SECONDS = 90.0
EXPECTED_ANSWERS = {200, 204, 503}
ROUTES = ("/final", "/final", "/final", "/local", "/intermediate")
VICTIMS = {"agent": 6, "sleeper": 1, "postgres": 1, "s3": 1, "hub": 1}
"""What happens to whom, and how often compared to the others."""


@pytest.mark.xdist_group("crash-servers")
@pytest.mark.timeout(SECONDS + SETTLE_SECONDS + 120)
def test_nothing_acknowledged_is_lost_whatever_is_killed_and_when(
    own_parts: LazyParts, tmp_path: Path
) -> None:
    seed = int(os.environ.get("CRASH_SEED", DEFAULT_SEED))
    log.warning("CRASH_SEED=%s", seed)
    hub = own_parts.hub(PROFILES[seed % 2])
    with contextlib.closing(Ground(own_parts, hub, tmp_path)) as ground:
        agents = [ground.running_agent() for _ in range(1 + seed // 2 % 2)]
        load = Load(seed)
        for number, route in enumerate(ROUTES):
            load.add(agents[number % len(agents)], route, ground.analysis())
        happened = _Chaos(ground, agents, Random(seed)).go_on(SECONDS)
        load.stop()
        log.warning("%s, %s agents: %s; answers %s", hub.profile, len(agents), happened, dict(load.answers))

        for agent in agents:
            agent.await_ready()
        ground.await_rest(seconds=SETTLE_SECONDS)
        _assert_complete(ground, agents[0], load)
        unexpected = {answer for answer in load.answers if isinstance(answer, int)} - EXPECTED_ANSWERS
        assert not unexpected, f"{load.answers} with seed {seed}"
        assert {row["state"] for row in ground.rows()} <= {"delivered", "retracted"}


class _Chaos:
    """Kills and restarts one after the other, sometimes an agent while something else is away."""

    def __init__(self, ground: Ground, agents: list[AgentProcess], random: Random) -> None:
        self._ground = ground
        self._agents = agents
        self._random = random
        self._happened = dict.fromkeys(VICTIMS, 0)

    def go_on(self, seconds: float) -> dict[str, int]:
        """Until the time is over; what has happened how often."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(self._random.uniform(0.05, 1.2))
            victim = self._random.choices(list(VICTIMS), weights=list(VICTIMS.values()))[0]
            self._happened[victim] += 1
            agent = self._random.choice(self._agents)
            match victim:
                case "agent":
                    agent.kill()
                    agent.start(until="/healthz")
                case "sleeper":
                    agent.pause()
                    time.sleep(2.5)  # longer than a lease
                    agent.resume()
                case "hub":
                    self._take_away(self._ground.hub.server, agent)
                case _:
                    self._take_away(getattr(self._ground.parts, victim), agent)
        return self._happened

    def _take_away(self, server: Any, agent: AgentProcess) -> None:
        server.kill()
        time.sleep(self._random.uniform(0, 1.5))
        if self._random.random() < 0.3:
            agent.kill()
            agent.start(until=None)
        server.start()


def _assert_complete(ground: Ground, agent: AgentProcess, load: Load) -> None:
    files = {file["id"]: file["sha256"] for file in ground.hub_files()}
    rows = {row["upload_id"]: row for row in ground.rows()}
    for known in load.acknowledged["/final"]:
        assert files[str(rows[UUID(known.id)]["hub_file_id"])] == known.sha256
    for known in load.acknowledged["/intermediate"]:
        assert files[known.id] == known.sha256
    for known in load.acknowledged["/local"]:
        found = agent.http.get(f"/local/{known.id}", headers=known.analysis.headers).raise_for_status()
        assert sha256(found.content) == known.sha256
    for route, acknowledged in load.acknowledged.items():
        assert acknowledged, f"nothing was ever acknowledged at {route}"
