"""Chapters: final results to the hub, local results that stay, intermediate results sealed for another node."""

from __future__ import annotations

import time
import uuid

from flame_node_agent.devstack.demo.analysis import Analysis, Sent, Unexpected
from flame_node_agent.devstack.demo.comparison import Row
from flame_node_agent.devstack.demo.holdings import local_object, open_sealed
from flame_node_agent.devstack.demo.narrator import Stopwatch, human
from flame_node_agent.devstack.demo.samples import samples
from flame_node_agent.devstack.demo.stage import Stage

TAG = "demo-round-1"
_DELIVERY_SECONDS = 60.0
_POLL_SECONDS = 0.2


def send_final(stage: Stage) -> None:
    """Three files to /final: accepted at once, delivered in the background."""
    narrator = stage.narrator
    narrator.chapter("Final results go to the hub")
    narrator.explain(
        "204 means: safe in the object store and in the outbox. What comes after is the node's business."
    )
    sent = [stage.put("/final", sample, expect=204) for sample in samples()]
    watch = Stopwatch()
    with narrator.waiting("on their way to the hub"):
        for one in sent:
            await_delivery(stage.analysis, one)
    narrator.did(f"all three delivered and linked at the hub, {watch.seconds:.1f} s after the last 204")
    stage.rows += [
        Row(one, "/final", "hub", stage.hub.file(stage.analysis.id, one.sample.name)) for one in sent
    ]


def keep_local(stage: Stage, sibling: Analysis, outsider: Analysis) -> None:
    """Three files to /local with a tag: found by the same project, invisible to another."""
    narrator = stage.narrator
    narrator.chapter("Local results stay in the building")
    narrator.explain(
        "They are shared within their project, found again by a tag, and never leave for the hub."
    )
    sent = [stage.put("/local", sample, expect=200, tag=TAG) for sample in samples()]
    tagged = sibling.get(f"/local/tags/{TAG}").json()["results"]
    if [result["filename"] for result in tagged] != [one.sample.name for one in sent]:
        raise Unexpected(f"tag {TAG} names {tagged}")
    narrator.did(f"another analysis of the project finds all three under tag {TAG}")
    outsider.get(f"/local/{sent[0].object_id}", expect=404)
    narrator.did("an analysis of another project, given the exact address: 404, as if they did not exist")
    for one in sent:
        key = f"local/{stage.analysis.project_id}/{one.object_id}"
        stage.rows.append(Row(one, "/local", "local store", local_object(stage.stack.bucket, key)))


def seal_for_another_node(stage: Stage) -> None:
    """Three files to /intermediate, encrypted for a second node, and opened with that node's private key."""
    narrator, nodes = stage.narrator, stage.stack.nodes
    narrator.chapter("Intermediate results leave sealed for one other node")
    narrator.explain(
        "Encrypted as they stream, with a key only the two nodes can derive: the hub cannot read them."
    )
    for sample in samples():
        sent = stage.put("/intermediate", sample, expect=200, remote_node_id=str(nodes.peer.id))
        _require_sealed(stage, sent)
        watch = Stopwatch()
        with (
            narrator.waiting("the other node fetches and opens it"),
            stage.hub.content(sent.object_id) as sealed,
        ):
            held = open_sealed(sealed, nodes.peer, nodes.own.public_key_pem)
        narrator.did(
            f"fetched from the hub and opened with the other node's private key in {watch.seconds:.1f} s"
        )
        stage.rows.append(Row(sent, "/intermediate", "hub, sealed", held))


def await_delivery(analysis: Analysis, sent: Sent) -> None:
    """Return once the hub has it; Unexpected if it is refused, or does not arrive in time."""
    deadline = time.monotonic() + _DELIVERY_SECONDS
    while (upload := analysis.upload(sent.upload_id))["state"] != "delivered":
        if upload["state"] == "failed" or time.monotonic() > deadline:
            raise Unexpected(f"{sent.sample.name} has not arrived: {upload['state']}, {upload['last_error']}")
        time.sleep(_POLL_SECONDS)


def _require_sealed(stage: Stage, sent: Sent) -> None:
    """The hub holds other bytes than were sent; Unexpected if it holds the plain ones."""
    found = [
        file
        for file in stage.hub.files(stage.analysis.id, "TEMP")
        if uuid.UUID(str(file["id"])) == sent.object_id
    ]
    if len(found) != 1 or found[0]["sha256"] == sent.sha256:
        raise Unexpected(f"the hub should hold {sent.sample.name} once, and encrypted; it lists {found}")
    stage.narrator.did(
        f"the hub holds {human(found[0]['size'])} of ciphertext, SHA-256 {found[0]['sha256'][:16]}… "
        f"(sent: {sent.sha256[:16]}…)"
    )
