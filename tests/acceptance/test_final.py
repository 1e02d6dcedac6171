"""Final results, from the request to the file at the hub."""

from __future__ import annotations

import os
import uuid

import pytest

from tests.acceptance.bearers import Bearers
from tests.acceptance.conftest import Analysis
from tests.acceptance.hub_user import HubUser
from tests.acceptance.running_agents import RunningAgent

pytestmark = pytest.mark.live


def test_final_result_reaches_the_hub_unchanged(
    live_agent: RunningAgent, analysis: Analysis, hub_user: HubUser, file_name: str
) -> None:
    """The newest file of the analysis' RESULT bucket holds exactly the bytes that were uploaded."""
    content = os.urandom(100_000)
    answer = live_agent.http.put("/final", auth=analysis.auth, files={"file": (file_name, content)})
    assert (answer.status_code, answer.content) == (204, b"")
    live_agent.delivered(answer, analysis.auth)
    assert hub_user.content_of(hub_user.newest_result(analysis.id)) == content


def test_local_dp_result_reaches_the_hub_as_another_number(
    live_agent: RunningAgent, analysis: Analysis, hub_user: HubUser, file_name: str
) -> None:
    """What arrives is not empty, reads as one number, and is not the one that was uploaded."""
    answer = live_agent.http.put(
        "/final/localdp",
        auth=analysis.auth,
        files={"file": (file_name, b"42.5")},
        data={"epsilon": "1.0", "sensitivity": "1.0"},
    )
    assert (answer.status_code, answer.content) == (204, b"")
    live_agent.delivered(answer, analysis.auth)
    assert float(hub_user.content_of(hub_user.newest_result(analysis.id))) != 42.5


@pytest.mark.parametrize("path", ["/final", "/final/localdp"])
def test_final_result_of_an_unknown_analysis_is_refused(
    live_agent: RunningAgent, bearers: Bearers, path: str
) -> None:
    """An analysis without a RESULT bucket gets a 404 that names it."""
    unknown = uuid.uuid4()
    answer = live_agent.http.put(
        path,
        auth=bearers.of(unknown),
        files={"file": ("result", b"1.5")},
        data={"epsilon": "1.0", "sensitivity": "1.0"},
    )
    assert answer.status_code == 404
    assert answer.json() == {"detail": f"Result bucket for analysis with ID {unknown} was not found"}
