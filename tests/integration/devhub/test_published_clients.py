"""The unmodified flame-hub-client releases work against the hub release of their time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.devhub import published_clients
from tests.integration.devhub.running import (
    ANALYSIS,
    CLIENT,
    NODE_WITH_KEY,
    PEM,
    PROJECT,
    ROBOT,
    USER,
    RunningHub,
)

PAIRS = (("0.2.7", "0.8.21"), ("0.2.16", "0.8.30"), ("0.5.5", "0.13"), ("1.1.0", "0.13"))
NODE_FLOWS = {
    "robot": {"robot_id": ROBOT["id"], "robot_secret": ROBOT["secret"]},
    "client": {"client_id": CLIENT["id"], "client_secret": CLIENT["secret"]},
}

# One worker runs them all: each story is told once.
pytestmark = pytest.mark.xdist_group("published-clients")

type Facts = dict[str, Any]
type Story = Callable[[str, str, str], Facts]


@pytest.fixture(scope="session")
def tell(hub_of: Callable[[str], RunningHub]) -> Story:
    """Run a client's story once and give its facts."""
    told: dict[tuple[str, str, str], Facts] = {}

    def get(version: str, profile: str, flow: str) -> Facts:
        key = (version, profile, flow)
        if key not in told:
            told[key] = _run(version, hub_of(profile), flow)
        return told[key]

    return get


def _node_flow(version: str) -> str:
    return "robot" if version == "0.2.7" else "client"


USERS = tuple((client, hub, "password") for client, hub in PAIRS)
NODES = tuple((client, hub, _node_flow(client)) for client, hub in PAIRS)


@pytest.fixture(params=USERS, ids="-".join)
def as_user(request: pytest.FixtureRequest, tell: Story) -> Facts:
    """The facts of each release with a user's password."""
    return tell(*request.param)


@pytest.fixture(params=NODES, ids="-".join)
def as_node(request: pytest.FixtureRequest, tell: Story) -> Facts:
    """The facts of each release with a node's robot or client."""
    return tell(*request.param)


@pytest.fixture(params=(*USERS, *NODES), ids="-".join)
def anyone(request: pytest.FixtureRequest, tell: Story) -> Facts:
    """Both kinds of account."""
    return tell(*request.param)


def _run(version: str, hub: RunningHub, flow: str) -> Facts:
    credentials = USER if flow == "password" else NODE_FLOWS[flow]
    orders = {
        "base": hub.base,
        "flow": flow,
        "credentials": credentials,
        "node": NODE_WITH_KEY,
        "analysis": ANALYSIS,
    }
    script = Path(__file__).with_name("client_story.py")
    environment = {**os.environ, "PYTHONPATH": str(published_clients.install(version))}
    ended = subprocess.run(
        [sys.executable, str(script)],
        input=json.dumps(orders),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    facts: Facts = json.loads(ended.stdout)
    return facts


@pytest.mark.parametrize("version", [client for client, _ in PAIRS])
def test_the_client_is_the_published_one_unmodified(version: str) -> None:
    assert published_clients.changed_files(published_clients.install(version)) == []


def test_a_changed_client_would_be_noticed(tmp_path: Path) -> None:
    package, info = tmp_path / "flame_hub", tmp_path / "flame_hub_client-1.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").write_text("changed")
    (package / "added.py").write_text("")
    (info / "RECORD").write_text("flame_hub/__init__.py,sha256=AAAA,1\nflame_hub/gone.py,sha256=AAAA,1\n")
    expected = ["flame_hub/__init__.py", "flame_hub/added.py", "flame_hub/gone.py"]
    assert published_clients.changed_files(tmp_path) == expected


def test_the_version_under_test_is_the_one_that_ran(tell: Story) -> None:
    for version, profile in PAIRS:
        facts = tell(version, profile, "password")
        assert facts["version"] == version
        assert Path(facts["file"]).is_relative_to(published_clients.install(version))


def test_buckets_are_found_by_analysis_and_type(anyone: Facts) -> None:
    assert anyone["bucket_types"] == ["CODE", "RESULT", "TEMP"]
    assert anyone["bucket_read"] is anyone["storage_bucket"] is True


def test_files_are_uploaded_found_and_streamed_back(anyone: Facts) -> None:
    assert anyone["uploaded"] == [[True, 160_000], [True, 3]]
    assert anyone["streamed"] is anyone["file_read"] is anyone["files_found"] is True


def test_files_are_linked_to_the_analysis(anyone: Facts) -> None:
    assert anyone["linked"] == [True, True]
    assert anyone["link_read"] is anyone["entrypoint"] is True


def test_a_link_made_by_the_node_conflicts_with_the_hubs_own(anyone: Facts) -> None:
    if anyone["version"] == "0.2.7":
        assert "second_link" not in anyone
    else:
        assert anyone["second_link"][0] == 409


def test_the_same_name_again_is_an_error(anyone: Facts) -> None:
    assert anyone["same_name_again"][0] == (500 if anyone["version"] == "0.2.7" else 409)


def test_deleted_files_are_none_with_their_links(anyone: Facts) -> None:
    assert (anyone["file_deleted"], anyone["link_deleted"]) == (None, None)


def test_unknown_ids_are_none_and_unknown_filters_find_nothing(anyone: Facts) -> None:
    assert anyone["missing"] == [None] * 7
    assert anyone["none_found"] == []
    assert anyone["upload_to_nowhere"][0] == 404


def test_a_missing_file_streams_an_error(anyone: Facts) -> None:
    if anyone["version"].startswith("0.2."):
        # These releases do not look at the status: the error's JSON comes as content.
        assert '"statusCode":404' in anyone["missing_stream"]
    else:
        assert anyone["missing_stream"][0] == 404


def test_wrong_credentials_are_told(anyone: Facts) -> None:
    expected = {
        ("user", "0.2.7"): [400, "The user credentials are invalid."],
        ("user", "0.2.16"): [400, "The user credentials are invalid."],
        ("user", "0.5.5"): [400, "The user credentials are invalid."],
        ("user", "1.1.0"): [400, "The user credentials are invalid."],
        ("node", "0.2.7"): [400, "The robot credentials are invalid."],
        ("node", "0.2.16"): [400, "The client credentials are invalid."],
        ("node", "0.5.5"): [401, "Client authentication failed."],
        ("node", "1.1.0"): [401, "Client authentication failed."],
    }
    kind = "user" if anyone["flow"] == "password" else "node"
    assert anyone["wrong_credentials"] == expected[kind, anyone["version"]]


def test_nodes_live_from_creation_to_deletion(as_user: Facts) -> None:
    assert as_user["node_without_key"] is None
    assert as_user["node_key"].startswith("-----BEGIN PUBLIC KEY-----")
    assert as_user["node_read"] is as_user["node_found"] is as_user["node_found_by_prefix"] is True
    assert as_user["nodes_listed"] is True
    assert as_user["newest_node"] == [True, True]
    assert as_user["node_deleted"] is None


def test_projects_live_from_creation_to_deletion(as_user: Facts) -> None:
    assert as_user["project_image"] is as_user["projects_found"] is as_user["projects_listed"] is True
    assert as_user["project_nested_image"] == "python/base"
    assert as_user["project_changed"] == "e"


def test_analyses_live_from_creation_to_deletion(as_user: Facts) -> None:
    assert as_user["analysis_project"] is as_user["analysis_nested_project"] is as_user["locked"] is True
    assert (as_user["analysis_read"], as_user["analysis_renamed"]) == ("mean", "d")
    assert as_user["approvals"] == ["approved", "approved"]
    assert as_user["analysis_nodes"] == [True]
    assert as_user["deleted"] == [None, None]


def test_the_refresh_token_renews_an_expired_token(as_user: Facts) -> None:
    assert as_user["refreshed"] is True


def test_a_node_reads_what_it_needs(as_node: Facts) -> None:
    assert as_node["node_key"] == PEM
    assert as_node["project_of_analysis"] == PROJECT
