"""An agent ended at each step of a task's way, and what is left for its next life."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flame_node_agent.devstack.testing import LazyParts

from .crash_points import Point
from .task_ground import TaskGround, task_ground

pytestmark = [pytest.mark.xdist_group("crash-servers"), pytest.mark.timeout(180)]

BEFORE_THE_OUTCOME = (
    Point.TASKS_FETCHED,
    Point.TASKS_COMMITTED,
    Point.TASKS_CLAIMED,
    Point.TASK_PERFORMED,
)
AFTER_THE_OUTCOME = (
    Point.OUTCOME_COMMITTED,
    Point.REPORTS_CLAIMED,
    Point.REPORT_SENT,
    Point.REPORT_DEPARTURE_WRITTEN,
    Point.REPORT_CLOSED,
)


@pytest.fixture(scope="module")
def ground(own_parts: LazyParts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TaskGround]:
    with task_ground(own_parts, tmp_path_factory.mktemp("tasks")) as found:
        yield found


@pytest.mark.parametrize("point", [*BEFORE_THE_OUTCOME, *AFTER_THE_OUTCOME])
def test_a_task_is_reported_once_though_the_agent_was_killed(ground: TaskGround, point: Point) -> None:
    agent = ground.running_agent()
    asked_before = sum(ground.imaging.asked.values())
    if point in {Point.TASKS_FETCHED, Point.TASKS_CLAIMED, Point.REPORTS_CLAIMED}:
        # Passed also when there is nothing to do: so the task is there before the agent looks for it.
        agent.kill()
        ground.order()
        agent.arm(point)
        agent.start(until=None)
    else:
        agent.arm(point)
        ground.order()
    agent.await_death()
    agent.start()
    ground.await_rest()
    asked = sum(ground.imaging.asked.values()) - asked_before
    if point in AFTER_THE_OUTCOME:
        assert asked == 1, "what has succeeded is not done again"
    agent.kill()


def test_a_report_whose_answer_died_with_the_agent_is_confirmed(own_parts: LazyParts, tmp_path: Path) -> None:
    with task_ground(own_parts, tmp_path) as ground:
        agent = ground.running_agent()
        agent.arm(Point.REPORT_SENT)
        ground.order()
        agent.await_death()
        agent.start()
        ground.await_rest()
        (row,) = ground.rows()
        assert (row["close_reason"], row["runs"], row["reports"]) == ("confirmed", 1, 2)


def test_a_stopped_agent_reports_what_it_has_finished(own_parts: LazyParts, tmp_path: Path) -> None:
    with task_ground(own_parts, tmp_path) as ground:
        agent = ground.running_agent()
        ground.order(40)
        assert agent.stop(seconds=15) == 0
        assert {row["state"] for row in ground.rows()} <= {"waiting", "closed"}
        agent.start()
        ground.await_rest()
        assert {row["runs"] for row in ground.rows()} == {1}
