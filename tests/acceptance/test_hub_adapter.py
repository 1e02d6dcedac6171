"""FLAME's hub adapter: passes a user's wish to delete on, and watches the service's health."""

from __future__ import annotations

import httpx

from tests.acceptance.bearers import Bearers
from tests.acceptance.conftest import Analysis
from tests.acceptance.hub_user import HubUser
from tests.acceptance.running_agents import RunningAgent


def test_deletion_with_a_json_body_answers_json(
    any_agent: RunningAgent, analysis: Analysis, bearers: Bearers, hub_user: HubUser
) -> None:
    """It sends `{}` with every request, follows redirects, and reads the answer as JSON whatever it says."""
    any_agent.http.put("/local", auth=analysis.auth, files={"file": b"content"}, data={"tag": "model"})
    hub_user.delete("analyses", analysis.id)
    hub_user.delete("projects", analysis.project_id)
    answer = httpx.request(
        "DELETE",
        f"{any_agent.server.url}/local",
        params={"project_id": str(analysis.project_id)},
        json={},
        headers={"Authorization": f"Bearer {bearers.of_hub_adapter().token}"},
        follow_redirects=True,
        timeout=60.0,
        trust_env=False,
    )
    assert (answer.status_code, answer.json(), answer.history) == (200, None, [])
    assert any_agent.local_objects(analysis.project_id) == set()


def test_deletion_of_a_project_with_nothing_stored_succeeds(
    any_agent: RunningAgent, bearers: Bearers
) -> None:
    answer = any_agent.http.delete(
        "/local/",
        params={"project_id": "4f0c4a52-3a0e-4a8f-9d43-1f6f9d2b7c11"},
        auth=bearers.of_hub_adapter(),
    )
    assert (answer.status_code, answer.json()) == (200, None)


def test_deletion_without_a_project_is_refused_in_fastapis_words(
    any_agent: RunningAgent, bearers: Bearers
) -> None:
    answer = any_agent.http.delete("/local", auth=bearers.of_hub_adapter())
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "project_id"]
