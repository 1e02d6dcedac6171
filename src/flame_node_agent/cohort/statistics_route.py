"""POST /cohort: numbers about a cohort, and nothing that stands for too few people."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog

from flame_node_agent.cohort.failures import STATISTICS_FAILED, failing_as
from flame_node_agent.cohort.policy import Action
from flame_node_agent.cohort.ports import CohortDependencies
from flame_node_agent.cohort.project import open_project
from flame_node_agent.wire.data_access import CohortQuery, CohortStatisticsAnswer, Statistic

log = structlog.get_logger(__name__)


class StatisticsRoute:
    """The route that answers with aggregates."""

    def __init__(self, deps: CohortDependencies) -> None:
        self._deps = deps

    async def statistics(self, request: CohortQuery) -> CohortStatisticsAnswer:
        """Give the statistics of a cohort; of one that is empty, too small or denied, the same empty answer.

        The query is judged before the policy, so that a wrong one is refused in the same way whoever asks.
        """
        guarded = await asyncio.to_thread(self._deps.guard, request.query)
        project = open_project(self._deps.keyring, request.encrypted_project_id)
        decision = self._deps.policy.decide(Action.STATISTICS, project.uuid)
        if not decision.permit:
            log.warning(
                "policy.denied", project=project.text[:64], action=Action.STATISTICS, rule=decision.rule
            )
            return _answer(request)
        with failing_as(STATISTICS_FAILED):
            answer = await self._deps.statistics.answer(project.log_id, guarded, decision.threshold)
        if answer.suppressed:
            return _answer(request)
        return _answer(request, answer.record_count, list(answer.data))


def _answer(
    request: CohortQuery, record_count: int = 0, data: list[Statistic] | None = None
) -> CohortStatisticsAnswer:
    return CohortStatisticsAnswer(
        query_id=request.query_id,
        trust_id=request.trust_id,
        record_count=record_count,
        created=datetime.now(UTC).strftime("%Y-%m-%d"),
        data=data or [],
        suppressed=data is None,
    )
