"""Names of files are data: whatever an analysis calls its file, it arrives, and nothing but a name happens."""

from __future__ import annotations

import os

import pytest

from flame_node_agent.devstack.testing import RunningHub
from tests.acceptance.conftest import Analysis
from tests.acceptance.discretion import TELLTALE
from tests.acceptance.hub_user import HubUser
from tests.acceptance.running_agents import RunningAgent

NAMES = {
    "way-up": f"../../../etc/{TELLTALE}",
    "absolute": f"/{TELLTALE}/passwd",
    "folders": f"model/{TELLTALE}/weights.bin",
    "quotes": f'"{TELLTALE}"; filename="other.txt"',
    "backslashes": f"C:\\{TELLTALE}\\weights.bin",
    "line-breaks": f"{TELLTALE}\r\nX-Injected: yes\r\n\r\n",
    "umlauts": f"{TELLTALE}-größe-日本-🧠.csv",
    "percent": f"{TELLTALE}%00%2e%2e%2f.csv",
    "statement": f"'; DROP TABLE outbox; -- {TELLTALE}",
    "query": f"{TELLTALE}?filter[path]=*&page[limit]=50",
    "dots": "..",
    "long": f"{TELLTALE}-{'n' * 400}.pickle",
}


FORM_ENCODED = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})
"""As HTML forms and httpx write these characters, and as hubs keep them."""


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_final_result_of_any_name_arrives(
    agent: RunningAgent, analysis: Analysis, development_hub: RunningHub, hub_user: HubUser, name: str
) -> None:
    """Under its name, or, where the hub could not keep that, under one that begins and ends like it."""
    content = os.urandom(1_000)
    answer = agent.http.put("/final", auth=analysis.auth, files={"file": (name, content)})
    assert answer.status_code == 204, answer.text
    upload = agent.delivered(answer, analysis.auth)
    assert upload["filename"] == name
    (held,) = [found for found in development_hub.uploads() if found["analysis_id"] == str(analysis.id)]
    if len(name) <= 240:
        assert held["path"] == name.translate(FORM_ENCODED)
    else:
        assert held["path"].startswith(name[:150])
        assert held["path"].endswith(".pickle")
    assert hub_user.content_of(hub_user.newest_result(analysis.id)) == content


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_tagged_result_is_listed_under_any_name(
    any_agent: RunningAgent, analysis: Analysis, name: str
) -> None:
    """The name is never part of a key: the object is called by its id alone."""
    answer = any_agent.http.put(
        "/local", auth=analysis.auth, files={"file": (name, b"content")}, data={"tag": "model"}
    )
    object_id = answer.json()["object_id"]
    listed = any_agent.http.get("/local/tags/model", auth=analysis.auth).json()["results"]
    assert [entry["filename"] for entry in listed] == [name]
    assert any_agent.local_objects(analysis.project_id) == {f"local/{analysis.project_id}/{object_id}"}
