"""What the FLAME Node Storage Service, the successor, has in addition: the cheap parts of it are served."""

from __future__ import annotations

import os
import uuid
from urllib.parse import urlsplit

import httpx
import pytest

from flame_node_agent.devstack.nodes import NodeRegister
from flame_node_agent.devstack.testing import RunningHub
from tests.acceptance.conftest import Analysis, NewAnalysis
from tests.acceptance.running_agents import RunningAgent


def put_local(
    agent: RunningAgent, analysis: Analysis, content: bytes = b"content", **data: str
) -> dict[str, str]:
    answer = agent.http.put("/local", auth=analysis.auth, files={"file": ("first.bin", content)}, data=data)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def tag_object(agent: RunningAgent, analysis: Analysis, **query: str) -> httpx.Response:
    return agent.http.post("/local/tags", params=query, auth=analysis.auth)


def test_answer_to_a_local_result_names_the_object(any_agent: RunningAgent, analysis: Analysis) -> None:
    stored = put_local(any_agent, analysis)
    assert stored["url"] == f"{any_agent.server.url}/local/{stored['object_id']}"


def test_existing_object_is_tagged_once(any_agent: RunningAgent, analysis: Analysis) -> None:
    """A repetition changes nothing."""
    stored = put_local(any_agent, analysis)
    wish = {"tag_name": "model", "object_id": stored["object_id"], "filename": "model.bin"}
    expected = {"filename": "model.bin", "url": stored["url"]}
    for _ in range(2):
        answer = tag_object(any_agent, analysis, **wish)
        assert (answer.status_code, answer.json()) == (200, expected)
        listed = any_agent.http.get("/local/tags/model", auth=analysis.auth).json()
        assert listed == {"results": [expected]}


def test_object_keeps_the_name_it_has(any_agent: RunningAgent, analysis: Analysis) -> None:
    """A 400 names object, analysis and the other name."""
    object_id = put_local(any_agent, analysis, tag="first")["object_id"]
    answer = tag_object(any_agent, analysis, tag_name="second", object_id=object_id, filename="other.bin")
    assert answer.status_code == 400
    assert answer.json() == {
        "detail": f"The object ID {object_id} is already persisted for analysis {analysis.id}, but with a different"
        " filename than other.bin."
    }


def test_objects_of_other_projects_cannot_be_tagged(
    any_agent: RunningAgent, analysis: Analysis, new_analysis: NewAnalysis
) -> None:
    object_id = put_local(any_agent, analysis)["object_id"]
    answer = tag_object(any_agent, new_analysis(), tag_name="mine", object_id=object_id)
    assert (answer.status_code, answer.json()) == (
        404,
        {"detail": f"Object with ID {object_id} does not exist"},
    )


@pytest.mark.parametrize("tagged", [True, False], ids=["tagged", "untagged"])
def test_local_result_is_passed_on_to_the_hub(
    any_agent: RunningAgent, analysis: Analysis, development_hub: RunningHub, tagged: bool
) -> None:
    """Under its file's name if it has one, else under its id; the content comes back through the hub unchanged."""
    content = os.urandom(100_000)
    stored = put_local(any_agent, analysis, content, **({"tag": "model"} if tagged else {}))
    answer = any_agent.http.put(
        "/local/upload", params={"object_id": stored["object_id"]}, auth=analysis.auth
    )
    assert answer.status_code == 200, answer.text
    (upload,) = [found for found in development_hub.uploads() if found["analysis_id"] == str(analysis.id)]
    assert upload["path"] == ("first.bin" if tagged else stored["object_id"])
    assert upload["kind"] == "TEMP"
    read = any_agent.http.get(urlsplit(answer.json()["url"]).path, auth=analysis.auth)
    assert read.content == content
    again = any_agent.http.get(f"/local/{stored['object_id']}", auth=analysis.auth)
    assert again.content == content


def test_local_result_is_sealed_for_another_node(
    any_agent: RunningAgent, peer_agent: RunningAgent, analysis: Analysis, nodes: NodeRegister
) -> None:
    content = os.urandom(2_000_000)
    object_id = put_local(any_agent, analysis, content)["object_id"]
    answer = any_agent.http.put(
        "/local/upload",
        params={"object_id": object_id, "remote_node_id": str(nodes.peer.id)},
        auth=analysis.auth,
    )
    assert answer.status_code == 200, answer.text
    path = urlsplit(answer.json()["url"]).path
    read = peer_agent.http.get(path, params={"remote_node_id": str(nodes.own.id)}, auth=analysis.auth)
    assert read.content == content


def test_unknown_local_object_is_not_passed_on(any_agent: RunningAgent, analysis: Analysis) -> None:
    unknown = str(uuid.uuid4())
    answer = any_agent.http.put("/local/upload", params={"object_id": unknown}, auth=analysis.auth)
    assert (answer.status_code, answer.json()) == (
        404,
        {"detail": f"Object with ID {unknown} does not exist"},
    )


def test_content_without_a_number_is_refused_before_the_analysis_is_looked_up(
    any_agent: RunningAgent, new_analysis: NewAnalysis
) -> None:
    """Local differential privacy needs a number."""
    for content in (b"", b"no number", b"\xff\xfe", b"1 2"):
        answer = any_agent.http.put(
            "/final/localdp",
            auth=new_analysis().auth,
            files={"file": content},
            data={"epsilon": "1.0", "sensitivity": "1.0"},
        )
        assert (answer.status_code, answer.json()) == (
            400,
            {"detail": "Uploaded file must contain a single numerical value."},
        )
