"""The whole demonstration, from an empty folder to the table that proves it."""

from __future__ import annotations

from flame_node_agent.devstack.demo.account import settle
from flame_node_agent.devstack.demo.analysis import Analysis
from flame_node_agent.devstack.demo.comparison import Row
from flame_node_agent.devstack.demo.deliveries import keep_local, seal_for_another_node, send_final
from flame_node_agent.devstack.demo.folder import demo_folder
from flame_node_agent.devstack.demo.identity import obtain_token
from flame_node_agent.devstack.demo.narrator import Narrator, Stopwatch
from flame_node_agent.devstack.demo.outage import survive_outage
from flame_node_agent.devstack.demo.stage import Stage
from flame_node_agent.devstack.seed import SeededAnalysis
from flame_node_agent.devstack.stack import Stack
from flame_node_agent.devstack.supervisor import running


def tell(narrator: Narrator) -> bool:
    """Tell it; whether everything that was sent is held unchanged.

    Raises StackError, Unexpected or httpx.HTTPError when the story cannot go on, KeyboardInterrupt on a signal.
    """
    watch = Stopwatch()
    narrator.title("flame-node demo: what becomes of a result between an analysis and the hub")
    with demo_folder() as folder:
        stack = Stack(folder)
        narrator.chapter("The parts start, all of them real and all on this machine")
        with running(stack, lambda part: narrator.did(part)):
            rows = _chapters(stack, narrator)
    same = sum(row.matches for row in rows)
    narrator.title(
        f"{same} of {len(rows)} files are held exactly as they were sent. {watch.seconds:.0f} s in all."
    )
    return same == len(rows)


def _chapters(stack: Stack, narrator: Narrator) -> list[Row]:
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
        settle(stage)
    return stage.rows


def _analysis(stack: Stack, seeded: SeededAnalysis) -> Analysis:
    token = stack.oidc.issue(str(seeded.id))
    return Analysis(seeded.id, seeded.project_id, result_url=stack.agent.url, token=token)
