"""The log of a running agent: one event a line, and nothing in it that must not leave the building."""

from __future__ import annotations

import json
import os
import time
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from flame_node_agent.devstack.nodes import NodeRegister
from flame_node_agent.devstack.testing import RunningHub
from tests.acceptance.bearers import Bearers
from tests.acceptance.conftest import Analysis, NewAgent
from tests.acceptance.discretion import TELLTALE, assert_discreet, secrets_of
from tests.acceptance.hub_accounts import Login
from tests.acceptance.running_agents import PATIENCE_SECONDS, RunningAgent

CONTENT = f"content-of-{TELLTALE}".encode()


def make_everything_happen(
    agent: RunningAgent, analysis: Analysis, bearers: Bearers, hub: RunningHub, receiver: object
) -> None:
    """Good requests, refused ones and failing ones, all with telltale names, contents and addresses."""
    auth, name = analysis.auth, f"{TELLTALE}-{os.urandom(4).hex()}.csv"
    file = {"file": (name, CONTENT)}
    agent.delivered(agent.http.put("/final", auth=auth, files=file), auth)
    hub.fault(match="POST /storage/buckets/*", count=1, status=400)
    agent.settled(agent.http.put("/final", auth=auth, files=file), auth)
    hub.fault(match="POST /storage/buckets/*", count=2, status=500, html=True)
    agent.delivered(agent.http.put("/final", auth=auth, files=file), auth)
    hub.fault(match="GET /core/nodes/*", count=20, down=True)
    agent.http.put("/intermediate", auth=auth, files=file, data={"remote_node_id": str(receiver)})
    hub.clear_faults()
    agent.http.put("/intermediate", auth=auth, files=file, data={"remote_node_id": str(receiver)})
    local = agent.http.put("/local", auth=auth, files=file, data={"tag": "model"}).json()
    agent.http.get(local["url"], auth=auth)
    agent.http.get(f"/local/tags/{quote(TELLTALE.upper())}", auth=auth)
    agent.http.get(f"/{TELLTALE}?secret={TELLTALE}", auth=auth)
    agent.http.post(
        "/local/tags",
        params={"tag_name": "other", "object_id": local["object_id"], "filename": TELLTALE},
        auth=auth,
    )
    agent.http.put("/local", auth=auth, files={"file": (TELLTALE * 1000, CONTENT)})
    agent.http.put("/local", auth=auth, content=CONTENT, headers={"Content-Type": "multipart/form-data"})
    agent.http.put("/final/localdp", auth=auth, files=file, data={"epsilon": TELLTALE, "sensitivity": "1"})
    agent.http.put("/final", auth=bearers.noted(auth.token[:-4] + "AAAA"), files=file)
    agent.http.put("/final", auth=httpx.BasicAuth(TELLTALE, TELLTALE), files=file)


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_log_holds_no_secret_token_content_or_sql(
    new_agent: NewAgent,
    login: Login,
    analysis: Analysis,
    bearers: Bearers,
    development_hub: RunningHub,
    nodes: NodeRegister,
    level: str,
) -> None:
    """At any level; names of files only for who asks for DEBUG."""
    agent = new_agent(login, LOG__LEVEL=level).start()
    make_everything_happen(agent, analysis, bearers, development_hub, nodes.peer.id)
    assert len(secrets_of(agent)) >= 5
    log = agent.log()
    if level == "DEBUG":
        assert "upload.named" in log
        assert CONTENT.decode() not in log
    assert_discreet(agent, bearers.issued, names=level != "DEBUG")
    assert "Traceback" not in log


def test_every_line_is_one_event_in_json(agent: RunningAgent, analysis: Analysis) -> None:
    """With its name, level and time; requests are told with what they cost, by route and not by address."""
    agent.http.put("/local", auth=analysis.auth, files={"file": b"content"}).raise_for_status()
    told = told_of(agent, analysis)
    assert (told["method"], told["route"], told["status"]) == ("PUT", "/local", 200)
    assert told["received"] > len(b"content")
    events = [json.loads(line) for line in agent.log().splitlines(keepends=True) if line.endswith("\n")]
    assert all({"event", "level", "timestamp", "logger"} <= event.keys() for event in events)


def told_of(agent: RunningAgent, analysis: Analysis) -> dict[str, Any]:
    """The line about the analysis' only request; it comes a moment after the answer."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (
        lines := [line for line in agent.log().splitlines() if f'"analysis": "{analysis.id}"' in line]
    ):
        assert time.monotonic() < deadline, "no line about the request"
        time.sleep(0.02)
    (line,) = lines
    return dict(json.loads(line))
