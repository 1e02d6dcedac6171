"""Local results: kept on this node for the analyses of one project, and deleted when the hub has dropped it."""

from __future__ import annotations

import os
import uuid
from urllib.parse import urlsplit

import pytest

from tests.acceptance.bearers import Bearers
from tests.acceptance.conftest import Analysis, NewAnalysis
from tests.acceptance.hub_user import HubUser
from tests.acceptance.running_agents import RunningAgent

pytestmark = pytest.mark.live


def put_local(agent: RunningAgent, analysis: Analysis, content: bytes = b"content") -> str:
    """The url at which a new, untagged result of the analysis is read."""
    answer = agent.http.put("/local", auth=analysis.auth, files={"file": content})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["url"])


def test_untagged_result_is_one_object_and_no_row(live_agent: RunningAgent, analysis: Analysis) -> None:
    """One new object under the project, no rows in the tables of tags; the url's path gives the same bytes."""
    content = os.urandom(100_000)
    before = live_agent.row_counts()
    url = put_local(live_agent, analysis, content)
    object_id = url.rpartition("/")[2]
    assert live_agent.local_objects(analysis.project_id) == {f"local/{analysis.project_id}/{object_id}"}
    assert live_agent.row_counts() == before
    read = live_agent.http.get(urlsplit(url).path, auth=analysis.auth)
    assert (read.status_code, read.content) == (200, content)


def test_unknown_local_object_is_not_found(live_agent: RunningAgent, analysis: Analysis) -> None:
    """A 404 names the object."""
    unknown = uuid.uuid4()
    answer = live_agent.http.get(f"/local/{unknown}", auth=analysis.auth)
    assert answer.status_code == 404
    assert answer.json() == {"detail": f"Object with ID {unknown} does not exist"}


def test_analysis_of_the_same_project_reads_a_local_result(
    live_agent: RunningAgent, analysis: Analysis, new_analysis: NewAnalysis
) -> None:
    """With the whole url as it was answered, host included."""
    content = os.urandom(1_000)
    url = put_local(live_agent, analysis, content)
    sibling = new_analysis(analysis.project_id)
    read = live_agent.http.get(url, auth=sibling.auth)
    assert (read.status_code, read.content) == (200, content)


def test_analysis_of_another_project_does_not_see_a_local_result(
    live_agent: RunningAgent, analysis: Analysis, new_analysis: NewAnalysis
) -> None:
    """The same 404 as for an object that does not exist."""
    url = put_local(live_agent, analysis)
    answer = live_agent.http.get(urlsplit(url).path, auth=new_analysis().auth)
    assert answer.status_code == 404
    assert answer.json() == {"detail": f"Object with ID {url.rpartition('/')[2]} does not exist"}


def test_results_of_a_project_the_hub_still_has_are_not_deleted(
    live_agent: RunningAgent, analysis: Analysis, bearers: Bearers
) -> None:
    """The hub adapter gets a 400; objects and rows stay."""
    put_local(live_agent, analysis)
    before = live_agent.local_objects(analysis.project_id), live_agent.row_counts()
    answer = live_agent.http.delete(
        "/local", params={"project_id": str(analysis.project_id)}, auth=bearers.of_hub_adapter()
    )
    assert answer.status_code == 400
    assert answer.json() == {
        "detail": f"Project '{analysis.project_id}' will not be deleted because it is still available on the Hub."
    }
    assert (live_agent.local_objects(analysis.project_id), live_agent.row_counts()) == before


def test_only_the_hub_adapter_deletes(live_agent: RunningAgent, analysis: Analysis) -> None:
    """Any other client gets a 403 that names it; nothing is deleted."""
    put_local(live_agent, analysis)
    answer = live_agent.http.delete(
        "/local", params={"project_id": str(analysis.project_id)}, auth=analysis.auth
    )
    assert answer.status_code == 403
    assert answer.json() == {
        "detail": "Only the Hub Adapter client is allowed to delete local results, got client ID"
        f" '{analysis.id}'."
    }
    assert len(live_agent.local_objects(analysis.project_id)) == 1


def test_results_of_a_project_the_hub_has_dropped_are_deleted(
    live_agent: RunningAgent, analysis: Analysis, bearers: Bearers, hub_user: HubUser
) -> None:
    """All its objects go, of whatever folder; untagged results have no rows that could."""
    for _ in range(3):
        put_local(live_agent, analysis)
    before = live_agent.row_counts()
    hub_user.delete("analyses", analysis.id)
    hub_user.delete("projects", analysis.project_id)
    answer = live_agent.http.delete(
        "/local", params={"project_id": str(analysis.project_id)}, auth=bearers.of_hub_adapter()
    )
    assert (answer.status_code, answer.json()) == (200, None)
    assert live_agent.objects(f"local/{analysis.project_id}") == set()
    assert live_agent.row_counts() == before
