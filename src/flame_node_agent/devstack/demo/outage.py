"""Chapter: the hub goes away, the agent is killed, and the result arrives all the same."""

from __future__ import annotations

from flame_node_agent.devstack.demo.analysis import Unexpected
from flame_node_agent.devstack.demo.comparison import Row
from flame_node_agent.devstack.demo.deliveries import await_delivery
from flame_node_agent.devstack.demo.narrator import Stopwatch
from flame_node_agent.devstack.demo.samples import small_result
from flame_node_agent.devstack.demo.stage import Stage


def survive_outage(stage: Stage) -> None:
    """Accept with the hub away, die, come back, deliver: once."""
    narrator, stack = stage.narrator, stage.stack
    narrator.chapter("The hub fails, the agent is killed")
    narrator.explain(
        "Nothing acknowledged is ever lost: not by an outage, not by kill -9, not by both at once."
    )
    hub_pid = stack.hub.child.pid
    stack.hub.kill()
    narrator.broke(f"the hub is taken away (pid {hub_pid}, SIGKILL)")
    sent = stage.put("/final", small_result(), expect=204)
    upload = stage.analysis.upload(sent.upload_id)
    narrator.did(f"accepted with the hub away; its state in the outbox: {upload['state']}")
    agent_pid = stack.agent.child.pid
    stack.agent.kill()
    narrator.broke(f"the agent is killed (pid {agent_pid}, SIGKILL)")
    watch = Stopwatch()
    with narrator.waiting("the agent starts again, the hub still away"):
        stack.agent.start(wait_for_parts=False)
    upload = stage.analysis.upload(sent.upload_id)
    if upload["state"] == "delivered":
        raise Unexpected("the outbox calls a result delivered that no hub can have taken")
    narrator.did(f"the agent is back after {watch.seconds:.1f} s, and still owes the hub the result")
    with narrator.waiting("the hub starts again"):
        stack.hub.start()
    narrator.did("the hub is back")
    watch = Stopwatch()
    with narrator.waiting("the result is on its way"):
        await_delivery(stage.analysis, sent)
    narrator.did(f"the result has arrived, {watch.seconds:.1f} s after the hub came back, and only once")
    stage.rows.append(Row(sent, "/final", "hub", stage.hub.file(stage.analysis.id, sent.sample.name)))
