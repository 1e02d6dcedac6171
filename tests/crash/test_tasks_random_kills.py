"""A thousand tasks while agent, database and hub are killed at random moments: each is reported, once in effect.

``CRASH_SEED`` makes another order of events (a seed repeats the order, not its timing).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

from flame_node_agent.devstack.testing import LazyParts

from .agent_process import AgentProcess
from .task_ground import TaskGround, task_ground

log = logging.getLogger(__name__)

TASKS = 1000
DEFAULT_SEED = 7
SETTLE_SECONDS = 120.0
VICTIMS = {"agent": 6, "sleeper": 1, "postgres": 2, "hub": 2}
"""What happens to whom, and how often compared to the others."""


@pytest.mark.xdist_group("crash-servers")
@pytest.mark.timeout(400)
def test_every_task_is_reported_once_whatever_is_killed_and_when(
    own_parts: LazyParts, tmp_path: Path
) -> None:
    seed = int(os.environ.get("CRASH_SEED", DEFAULT_SEED))
    log.warning("CRASH_SEED=%s", seed)
    with task_ground(own_parts, tmp_path) as ground:
        agents = [ground.running_agent() for _ in range(1 + seed % 2)]
        feeding = threading.Thread(target=_feed, args=(ground,), daemon=True)
        feeding.start()
        happened = _go_on(ground, agents, Random(seed), while_=feeding)
        log.warning("%s agents: %s", len(agents), happened)
        for agent in agents:
            agent.await_ready()
        ground.await_rest(seconds=SETTLE_SECONDS)
        assert len(ground.rows()) >= TASKS
        assert happened["agent"] >= 3, "too little has happened to prove anything"


def _feed(ground: TaskGround) -> None:
    for _ in range(TASKS // 10):
        ground.order(10)
        time.sleep(0.25)


def _go_on(
    ground: TaskGround, agents: list[AgentProcess], random: Random, *, while_: threading.Thread
) -> dict[str, int]:
    happened = dict.fromkeys(VICTIMS, 0)
    while while_.is_alive():
        time.sleep(random.uniform(0.05, 1.2))
        victim = random.choices(list(VICTIMS), weights=list(VICTIMS.values()))[0]
        happened[victim] += 1
        agent = random.choice(agents)
        match victim:
            case "agent":
                agent.kill()
                agent.start(until="/healthz")
            case "sleeper":
                agent.pause()
                time.sleep(2.5)  # longer than a lease
                agent.resume()
            case "hub":
                _take_away(ground.hub.server, agent, random)
            case _:
                _take_away(ground.parts.postgres, agent, random)
    return happened


def _take_away(server: Any, agent: AgentProcess, random: Random) -> None:
    server.kill()
    time.sleep(random.uniform(0, 1.5))
    if random.random() < 0.3:
        agent.kill()
        agent.start(until=None)
    server.start()
