"""The cleaning itself is interrupted by a kill: the next agent goes on with it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import httpx
import pytest

from .agent_process import AgentProcess
from .crash_points import Point
from .ground import Ground
from .leaving_clients import leave
from .waiting import eventually

pytestmark = [
    pytest.mark.xdist_group("crash-points"),
    pytest.mark.parametrize("ground", ["0.13"], indirect=True, scope="module"),
]

CONTENT = bytes(9 * 1024 * 1024)


@pytest.mark.parametrize("point", [Point.OBJECT_DELETED, Point.BEFORE_SWEEPING])
def test_sweeping_goes_on_after_another_kill(ground: Ground, agent: AgentProcess, point: Point) -> None:
    before = ground.held()
    agent.arm(Point.OBJECT_STORED)
    with pytest.raises(httpx.TransportError):
        agent.put("/final", ground.analysis(), "model.pkl", CONTENT)
    agent.await_death()
    agent.arm(point)
    agent.start(until=None)
    agent.await_death()
    assert ground.rows("staged_object") != []
    agent.start()
    ground.await_rest()
    assert ground.held() == before


def test_removal_after_a_lost_client_goes_on_after_a_kill(ground: Ground, agent: AgentProcess) -> None:
    before = ground.held()
    agent.arm(Point.OBJECT_DELETED)
    leave(agent, "/final", ground.analysis(), size=len(CONTENT), after=len(CONTENT) - 1024 * 1024)
    agent.await_death()
    agent.start()
    ground.await_rest()
    assert ground.held() == before


def test_forgetting_delivered_uploads_goes_on_after_a_kill(ground: Ground, tmp_path: Path) -> None:
    with contextlib.closing(Ground(ground.parts, ground.hub, tmp_path)) as own_ground:
        _forget_through_a_kill(own_ground)


def _forget_through_a_kill(ground: Ground) -> None:
    # Half a second.
    agent = ground.agent(OUTBOX__RETENTION_DAYS="0.000005")
    agent.arm(Point.OBJECT_DELETED)
    analysis = ground.analysis()
    agent.start()
    agent.accept(analysis, "model.pkl", CONTENT)
    agent.await_death()
    departures = len(ground.ledger())
    agent.start()

    def forgotten() -> None:
        assert ground.rows_of(analysis) == []
        assert {key for key in ground.held().objects if key.startswith("outbox/")} == set()

    eventually(forgotten)
    assert len(ground.hub_files(analysis)) == 1
    assert len(ground.ledger()) == departures == 1
