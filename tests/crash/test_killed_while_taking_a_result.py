"""PUT /final and an agent that is killed before it could answer, or just after."""

from __future__ import annotations

from collections import Counter

import httpx
import pytest

from .agent_process import AgentProcess
from .crash_points import Point
from .ground import Ground, sha256
from .waiting import eventually

# What happens here is the same whatever the hub.
pytestmark = [
    pytest.mark.xdist_group("crash-points"),
    pytest.mark.parametrize("ground", ["0.13"], indirect=True, scope="module"),
]

SMALL = b"a result of a few bytes"
LARGE = bytes(range(256)) * (20 * 1024 * 4)
"""20 MiB: a multipart upload of three parts."""


@pytest.mark.parametrize(
    ("point", "content"),
    [(Point.OBJECT_STORED, SMALL), (Point.OBJECT_STORED, LARGE), (Point.PART_STORED, LARGE)],
)
def test_result_that_was_stored_but_not_committed_leaves_nothing(
    ground: Ground, agent: AgentProcess, point: Point, content: bytes
) -> None:
    analysis = ground.analysis()
    before = ground.held()
    agent.arm(point)
    with pytest.raises(httpx.TransportError):
        agent.put("/final", analysis, "model.pkl", content)
    agent.await_death()
    assert ground.held() != before, "there is nothing to sweep"
    agent.start()
    ground.await_rest()
    assert ground.held() == before
    assert ground.rows_of(analysis) == []
    assert ground.hub_files(analysis) == []


def test_result_that_was_committed_but_not_answered_is_delivered_once(
    ground: Ground, agent: AgentProcess
) -> None:
    analysis = ground.analysis()
    agent.arm(Point.RESULT_COMMITTED)
    with pytest.raises(httpx.TransportError):
        agent.put("/final", analysis, "model.pkl", SMALL)
    agent.await_death()
    agent.start()
    ground.await_rest()
    assert Counter(file["sha256"] for file in ground.hub_files(analysis)) == {sha256(SMALL): 1}


def test_repeating_an_unanswered_result_leaves_one_file_at_the_hub(
    ground: Ground, agent: AgentProcess
) -> None:
    analysis = ground.analysis()
    agent.arm(Point.RESULT_COMMITTED)
    with pytest.raises(httpx.TransportError):
        agent.put("/final", analysis, "model.pkl", SMALL)
    agent.await_death()
    agent.start()
    agent.await_state(analysis, agent.accept(analysis, "model.pkl", SMALL), "delivered")

    def both_delivered() -> None:
        assert [row["state"] for row in ground.rows_of(analysis)] == ["delivered", "delivered"]

    eventually(both_delivered)
    assert Counter(file["sha256"] for file in ground.hub_files(analysis)) == {sha256(SMALL): 1}
