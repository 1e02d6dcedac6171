"""Results from one node to another, each with its own agent, over the hub: at every release of it."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import pytest

from flame_node_agent.devstack.nodes import NodeRegister
from tests.acceptance.conftest import Analysis
from tests.acceptance.running_agents import RunningAgent


@pytest.mark.parametrize("size", [0, 1, 996, 997, 5_000, 6_000_000], ids=lambda size: f"{size}-bytes")
def test_sealed_result_is_read_at_the_node_it_is_for(
    agent: RunningAgent, peer_agent: RunningAgent, analysis: Analysis, nodes: NodeRegister, size: int
) -> None:
    """Of any size; the reader names the sender."""
    content = os.urandom(size)
    path = _sealed_for(agent, analysis, nodes.peer.id, content)
    read = peer_agent.http.get(path, params={"node_id": str(nodes.own.id)}, auth=analysis.auth)
    assert (read.status_code, read.content) == (200, content)


def test_sealed_result_may_be_read_again(
    agent: RunningAgent, peer_agent: RunningAgent, analysis: Analysis, nodes: NodeRegister
) -> None:
    """Reading removes nothing: a reader whose connection broke comes back."""
    path = _sealed_for(agent, analysis, nodes.peer.id, b"weights")
    for _ in range(2):
        read = peer_agent.http.get(path, params={"node_id": str(nodes.own.id)}, auth=analysis.auth)
        assert (read.status_code, read.content) == (200, b"weights")


def test_sealed_result_is_not_opened_with_the_wrong_nodes_key(
    agent: RunningAgent, analysis: Analysis, nodes: NodeRegister
) -> None:
    """Sealed for the other node; with this node's own id it does not open, here or anywhere."""
    path = _sealed_for(agent, analysis, nodes.peer.id, b"weights")
    read = agent.http.get(path, params={"remote_node_id": str(nodes.own.id)}, auth=analysis.auth)
    assert read.status_code == 400
    assert read.json() == {
        "detail": f"File with ID {path.rpartition('/')[2]} cannot be decrypted under the assumption that the file was"
        f" encrypted by node {nodes.own.id} for this node."
    }


def test_node_on_another_curve_is_refused(
    agent: RunningAgent, analysis: Analysis, nodes: NodeRegister
) -> None:
    """ECDH needs both keys on one curve."""
    answer = agent.http.put(
        "/intermediate",
        auth=analysis.auth,
        files={"file": b"content"},
        data={"remote_node_id": str(nodes.stranger.id)},
    )
    assert answer.status_code == 400
    assert str(nodes.stranger.id) in answer.json()["detail"]


def _sealed_for(agent: RunningAgent, analysis: Analysis, node_id: object, content: bytes) -> str:
    answer = agent.http.put(
        "/intermediate",
        auth=analysis.auth,
        files={"file": content},
        data={"remote_node_id": str(node_id)},
    )
    assert answer.status_code == 200, answer.text
    return str(urlsplit(answer.json()["url"]).path)
