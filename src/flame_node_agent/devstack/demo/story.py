"""The whole demonstration, from an empty folder to the table that proves it."""

from __future__ import annotations

from flame_node_agent.devstack.demo.account import settle
from flame_node_agent.devstack.demo.analysis import Analysis
from flame_node_agent.devstack.demo.cohorts import ask_cohorts
from flame_node_agent.devstack.demo.deliveries import keep_local, seal_for_another_node, send_final
from flame_node_agent.devstack.demo.folder import demo_folder
from flame_node_agent.devstack.demo.identity import obtain_token
from flame_node_agent.devstack.demo.narrator import Narrator, Stopwatch
from flame_node_agent.devstack.demo.outage import survive_outage
from flame_node_agent.devstack.demo.stage import Stage
from flame_node_agent.devstack.seed import SeededAnalysis
from flame_node_agent.devstack.stack import Stack
from flame_node_agent.devstack.supervisor import running

_EAGER = {"POLL_INTERVAL_SECONDS": "1"}
"""Nobody should have to wait for the agent's next look at the hub."""


def tell(narrator: Narrator) -> bool:
    """Tell it; whether everything that was sent is held unchanged, and every query came to what it must.

    Raises StackError, Unexpected or httpx.HTTPError when the story cannot go on, KeyboardInterrupt on a signal.
    """
    watch = Stopwatch()
    narrator.title("flame-node demo: what becomes of results on their way to a hub, and of its questions")
    with demo_folder() as folder:
        stack = Stack(folder, agent_settings=_EAGER)
        narrator.chapter("The parts start, all of them real and all on this machine")
        with running(stack, lambda part: narrator.did(part)):
            stage = _chapters(stack, narrator)
    same, right = sum(row.matches for row in stage.rows), sum(row.right for row in stage.cohorts)
    narrator.title(
        f"{same} of {len(stage.rows)} files are held exactly as they were sent, {right} of {len(stage.cohorts)} queries"
        f" came to what they must. {watch.seconds:.0f} s in all."
    )
    return same == len(stage.rows) and right == len(stage.cohorts)


def _chapters(stack: Stack, narrator: Narrator) -> Stage:
    first, sibling, outsider = stack.seed.analyses
    url = stack.agent.url
    token = obtain_token(narrator, stack.oidc, first, result_url=url)
    with (
        Analysis(first.id, first.project_id, result_url=url, token=token) as analysis,
        _analysis(stack, sibling) as in_project,
        _analysis(stack, outsider) as elsewhere,
    ):
        stage = Stage(stack, narrator, analysis)
        send_final(stage)
        keep_local(stage, in_project, elsewhere)
        seal_for_another_node(stage)
        survive_outage(stage)
        ask_cohorts(stage)
        settle(stage)
    return stage


def _analysis(stack: Stack, seeded: SeededAnalysis) -> Analysis:
    token = stack.oidc.issue(str(seeded.id))
    return Analysis(seeded.id, seeded.project_id, result_url=stack.agent.url, token=token)
