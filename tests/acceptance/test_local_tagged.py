"""Local results under a tag: which tags there may be, how they are listed, and that they go with their project."""

from __future__ import annotations

import uuid
from dataclasses import astuple

import httpx
import pytest

from tests.acceptance.bearers import Bearers
from tests.acceptance.conftest import Analysis
from tests.acceptance.hub_user import HubUser
from tests.acceptance.running_agents import RunningAgent

pytestmark = pytest.mark.live

INVALID = ["", " ", "-", "--", "-ab", "ab-", "-0", "0-", " -a", "a- ", "a" + "-" * 31 + "a", "a" * 33]
VALID = ["a", "0", "aa", "00", "a0", "0a", "result1", "result-1", "result--1", "a" + "-" * 30 + "a"]


def test_tags_that_break_the_rule_are_refused(live_agent: RunningAgent, analysis: Analysis) -> None:
    """A 400 shows the tag as it was sent; an empty one counts as sent."""
    before = live_agent.row_counts()
    answers = {tag: put_tagged(live_agent, analysis, tag) for tag in INVALID}
    assert {tag: (answer.status_code, answer.json()) for tag, answer in answers.items()} == {
        tag: (400, {"detail": f"Invalid tag `{tag}`"}) for tag in INVALID
    }
    assert live_agent.row_counts() == before
    assert live_agent.local_objects(analysis.project_id) == set()


def test_tags_that_keep_the_rule_are_accepted(live_agent: RunningAgent, analysis: Analysis) -> None:
    """Up to 32 lower-case letters, digits and hyphens, with a hyphen at neither end."""
    for tag in VALID:
        assert put_tagged(live_agent, analysis, tag).status_code == 200, tag
    listed = live_agent.http.get("/local/tags", auth=analysis.auth).json()["tags"]
    assert [entry["name"] for entry in listed] == VALID


def test_tagged_result_is_one_object_and_a_row_in_each_table(
    live_agent: RunningAgent, analysis: Analysis, file_name: str
) -> None:
    """The rows name the analysis, the last segment of the url, the file as sent, the project and the tag."""
    before = live_agent.row_counts()
    answer = put_tagged(live_agent, analysis, "model-1", file_name)
    assert answer.status_code == 200
    assert len(live_agent.local_objects(analysis.project_id)) == 1
    assert astuple(live_agent.row_counts()) == tuple(count + 1 for count in astuple(before))
    result, tag = live_agent.rows("result")[-1], live_agent.rows("tag")[-1]
    assert result["client_id"] == str(analysis.id)
    assert str(result["object_id"]) == answer.json()["url"].rpartition("/")[2]
    assert result["filename"] == file_name
    assert (tag["project_id"], tag["tag_name"]) == (str(analysis.project_id), "model-1")
    joined = live_agent.rows("taggedresult")[-1]
    assert (joined["tag_id"], joined["result_id"]) == (tag["id"], result["id"])


def test_tagged_result_is_listed_under_its_tag(
    live_agent: RunningAgent, analysis: Analysis, file_name: str
) -> None:
    """The project's tags contain it; the tag has exactly one result, with the url and the name it was sent with."""
    url = put_tagged(live_agent, analysis, "model-2", file_name).json()["url"]
    tags = live_agent.http.get("/local/tags", auth=analysis.auth)
    assert tags.status_code == 200
    assert "model-2" in [tag["name"] for tag in tags.json()["tags"]]
    tagged = live_agent.http.get("/local/tags/model-2", auth=analysis.auth)
    assert tagged.status_code == 200
    assert tagged.json() == {"results": [{"filename": file_name, "url": url}]}


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/local"), ("GET", "/local/tags"), ("GET", "/local/tags/foobar")]
)
def test_unknown_analysis_has_no_tags(
    live_agent: RunningAgent, bearers: Bearers, method: str, path: str
) -> None:
    """A 404 names the analysis, whether or not there is such a tag."""
    unknown = uuid.uuid4()
    files, data = ({"file": b"content"}, {"tag": "model"}) if method == "PUT" else (None, None)
    answer = live_agent.http.request(method, path, auth=bearers.of(unknown), files=files, data=data)
    assert answer.status_code == 404
    assert answer.json() == {"detail": f"Analysis with ID {unknown} not found"}


def test_tags_and_results_of_a_dropped_project_are_deleted(
    live_agent: RunningAgent, analysis: Analysis, bearers: Bearers, hub_user: HubUser
) -> None:
    """No object, no result of the analysis and no tag of the project is left."""
    for tag in ("one", "two", "two"):
        assert put_tagged(live_agent, analysis, tag).status_code == 200
    hub_user.delete("analyses", analysis.id)
    hub_user.delete("projects", analysis.project_id)
    answer = live_agent.http.delete(
        "/local", params={"project_id": str(analysis.project_id)}, auth=bearers.of_hub_adapter()
    )
    assert answer.status_code == 200
    assert live_agent.objects(f"local/{analysis.project_id}") == set()
    assert [row for row in live_agent.rows("result") if row["client_id"] == str(analysis.id)] == []
    assert [row for row in live_agent.rows("tag") if row["project_id"] == str(analysis.project_id)] == []


def put_tagged(agent: RunningAgent, analysis: Analysis, tag: str, name: str = "result") -> httpx.Response:
    """Store a small result under a tag."""
    return agent.http.put("/local", auth=analysis.auth, files={"file": (name, b"content")}, data={"tag": tag})
