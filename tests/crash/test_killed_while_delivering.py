"""An accepted result and an agent that is killed on the way to the hub: it arrives once, and is linked once."""

from __future__ import annotations

import pytest

from .agent_process import AgentProcess
from .crash_points import Point
from .ground import Ground

pytestmark = pytest.mark.xdist_group("crash-points")

CONTENT = bytes(range(256)) * (4 * 1024 * 4)
"""4 MiB, twice of what is sent before the middle of an upload."""

ON_THE_WAY = (
    Point.NAME_NOTED,
    Point.MID_UPLOAD,
    Point.UPLOADED,
    Point.DEPARTURE_WRITTEN,
    Point.UPLOAD_NOTED,
    Point.BEFORE_CLOSING,
    Point.CLOSED,
)


@pytest.mark.parametrize("point", ON_THE_WAY)
def test_accepted_result_arrives_once_although_the_agent_is_killed(
    ground: Ground, agent: AgentProcess, point: Point
) -> None:
    _deliver_through(ground, agent, point)


@pytest.mark.parametrize("ground", ["0.8.21"], indirect=True, scope="module")
@pytest.mark.parametrize("point", [Point.BEFORE_LINK, Point.LINKED])
def test_accepted_result_is_linked_once_although_the_agent_is_killed(
    ground: Ground, agent: AgentProcess, point: Point
) -> None:
    _deliver_through(ground, agent, point)


@pytest.mark.parametrize("ground", ["0.8.21"], indirect=True, scope="module")
def test_accepted_result_arrives_once_although_the_agent_is_killed_again_and_again(
    ground: Ground, agent: AgentProcess
) -> None:
    points = (Point.MID_UPLOAD, Point.UPLOADED, Point.BEFORE_LINK, Point.LINKED)
    for point in points:
        agent.arm(point)
    analysis = ground.analysis()
    upload = agent.accept(analysis, "model.pkl", CONTENT)
    for _ in points:
        agent.await_death()
        agent.start(until=None)
    agent.await_ready()
    ground.await_final(agent, {upload: CONTENT}, analysis)
    ground.await_rest()


def _deliver_through(ground: Ground, agent: AgentProcess, point: Point) -> None:
    agent.arm(point)
    analysis = ground.analysis()
    upload = agent.accept(analysis, "model.pkl", CONTENT)
    agent.await_death()
    agent.start()
    ground.await_final(agent, {upload: CONTENT}, analysis)
    ground.await_rest()
