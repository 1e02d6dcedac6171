"""Clients that go away in the middle of a file: no object, no multipart upload and no row is left of it."""

from __future__ import annotations

import pytest

from .agent_process import AgentProcess
from .ground import Ground
from .leaving_clients import leave
from .waiting import eventually

pytestmark = [
    pytest.mark.xdist_group("crash-points"),
    pytest.mark.parametrize("ground", ["0.13"], indirect=True, scope="module"),
]

MIB = 1024 * 1024


@pytest.mark.parametrize("route", ["/final", "/local", "/intermediate"])
@pytest.mark.parametrize("after", [1 * MIB, 20 * MIB], ids=["in-the-first-part", "after-parts"])
def test_client_that_goes_away_leaves_nothing(
    ground: Ground, agent: AgentProcess, route: str, after: int
) -> None:
    analysis = ground.analysis()
    before = ground.held()

    def begun() -> None:
        assert ground.rows("staged_object") != []
        assert after < 8 * MIB or ground.held() != before

    def nothing_is_left() -> None:
        assert ground.rows("staged_object") == []
        assert ground.held() == before
        assert ground.rows_of(analysis) == []

    leave(agent, route, analysis, size=30 * MIB, after=after, wait=lambda: eventually(begun))
    eventually(nothing_is_left)
    assert agent.http.get("/healthz").status_code == 200
