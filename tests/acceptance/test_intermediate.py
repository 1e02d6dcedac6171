"""Intermediate results: to the hub and back, in the clear and sealed for one other node."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from flame_node_agent.devstack.nodes import NodeKeys, NodeRegister
from tests.acceptance.bearers import Bearers
from tests.acceptance.conftest import Analysis
from tests.acceptance.hub_user import HubUser
from tests.acceptance.running_agents import RunningAgent
from tests.acceptance.sealing_peers import opened_by, sealed_by, sealed_in_chunks_by

pytestmark = pytest.mark.live

type NewNode = Callable[[NodeKeys | None], uuid.UUID]


@pytest.fixture
def new_node(hub_user: HubUser) -> Iterator[NewNode]:
    """Makes nodes at the hub, with a public key or without; they are deleted at the end of the test."""
    made: list[uuid.UUID] = []

    def make(keys: NodeKeys | None) -> uuid.UUID:
        made.append(hub_user.new_node(keys.public_key_pem if keys else None))
        return made[-1]

    yield make
    for node_id in made:
        hub_user.delete("nodes", node_id)


def test_any_analysis_reads_an_intermediate_result_unchanged(
    live_agent: RunningAgent, analysis: Analysis, bearers: Bearers, file_name: str
) -> None:
    """The answer's url holds the object's id, and any valid token gets the same bytes from it."""
    content = os.urandom(100_000)
    answer = live_agent.http.put("/intermediate", auth=analysis.auth, files={"file": (file_name, content)})
    assert answer.status_code == 200
    assert answer.json().keys() == {"url", "object_id"}
    assert answer.json()["object_id"] in urlsplit(answer.json()["url"]).path
    read = live_agent.http.get(urlsplit(answer.json()["url"]).path, auth=bearers.of_anybody())
    assert (read.status_code, read.content) == (200, content)


def test_sealed_result_opens_with_the_key_of_the_node_it_is_for(
    live_agent: RunningAgent, analysis: Analysis, nodes: NodeRegister, new_node: NewNode, file_name: str
) -> None:
    """Without `node_id` the sealed bytes come back; the other node opens them with this node's public key."""
    content = os.urandom(5_000)
    answer = live_agent.http.put(
        "/intermediate",
        auth=analysis.auth,
        files={"file": (file_name, content)},
        data={"remote_node_id": str(new_node(nodes.peer))},
    )
    assert answer.status_code == 200
    sealed = live_agent.http.get(urlsplit(answer.json()["url"]).path, auth=analysis.auth).content
    assert content not in sealed
    assert opened_by(nodes.peer, nodes.own, sealed) == content


def test_node_without_a_public_key_is_refused(
    live_agent: RunningAgent, analysis: Analysis, new_node: NewNode
) -> None:
    """A 400 names the node; its sentence has no full stop."""
    node_id = new_node(None)
    answer = live_agent.http.put(
        "/intermediate",
        auth=analysis.auth,
        files={"file": b"content"},
        data={"remote_node_id": str(node_id)},
    )
    assert answer.status_code == 400
    assert answer.json() == {"detail": f"Remote node with ID {node_id} does not provide a public key"}


def test_unknown_object_is_not_found(live_agent: RunningAgent, bearers: Bearers) -> None:
    """A 404 names the object."""
    unknown = uuid.uuid4()
    answer = live_agent.http.get(f"/intermediate/{unknown}", auth=bearers.of_anybody())
    assert answer.status_code == 404
    assert answer.json() == {"detail": f"Object with ID {unknown} does not exist"}


def test_unknown_node_is_not_found(live_agent: RunningAgent, analysis: Analysis) -> None:
    """A 404 names the node; its sentence ends in a full stop."""
    unknown = uuid.uuid4()
    answer = live_agent.http.put(
        "/intermediate",
        auth=analysis.auth,
        files={"file": b"content"},
        data={"remote_node_id": str(unknown)},
    )
    assert answer.status_code == 404
    assert answer.json() == {"detail": f"Remote node with ID {unknown} does not exist."}


def test_intermediate_result_of_an_unknown_analysis_is_refused(
    live_agent: RunningAgent, bearers: Bearers
) -> None:
    """An analysis without a TEMP bucket gets a 404 that names it."""
    unknown = uuid.uuid4()
    answer = live_agent.http.put("/intermediate", auth=bearers.of(unknown), files={"file": b"content"})
    assert answer.status_code == 404
    assert answer.json() == {"detail": f"Temp bucket for analysis with ID {unknown} was not found"}


@pytest.mark.parametrize("parameter", ["node_id", "remote_node_id"])
def test_result_of_another_sender_is_not_opened(
    live_agent: RunningAgent,
    analysis: Analysis,
    nodes: NodeRegister,
    new_node: NewNode,
    hub_user: HubUser,
    parameter: str,
) -> None:
    """A 400 names object and node when the node's key does not match the one that sealed the file."""
    impostor = new_node(NodeKeys.generate("impostor"))
    bucket = hub_user.storage_bucket(analysis.id, "TEMP")
    object_id = hub_user.upload(bucket, sealed_by(nodes.peer, nodes.own, os.urandom(300)))
    answer = live_agent.http.get(
        f"/intermediate/{object_id}", params={parameter: str(impostor)}, auth=analysis.auth
    )
    assert answer.status_code == 400
    assert answer.json() == {
        "detail": f"File with ID {object_id} cannot be decrypted under the assumption that the file was encrypted by"
        f" node {impostor} for this node."
    }


@pytest.mark.parametrize("seal", [sealed_by, sealed_in_chunks_by])
@pytest.mark.parametrize("size", [16, 997, 2_500_000], ids=lambda size: f"{size}-bytes")
def test_result_sealed_by_another_node_is_opened(
    live_agent: RunningAgent,
    analysis: Analysis,
    nodes: NodeRegister,
    new_node: NewNode,
    hub_user: HubUser,
    seal: Callable[[NodeKeys, NodeKeys, bytes], bytes],
    size: int,
) -> None:
    """Of any size, sealed as a whole or in pieces; the url's path and query are used as they are handed on."""
    content = os.urandom(size)
    sender = new_node(nodes.peer)
    bucket = hub_user.storage_bucket(analysis.id, "TEMP")
    object_id = hub_user.upload(bucket, seal(nodes.peer, nodes.own, content))
    answer = live_agent.http.get(f"/intermediate/{object_id}?remote_node_id={sender}", auth=analysis.auth)
    assert answer.status_code == 200, answer.text[:500]
    assert answer.content == content
