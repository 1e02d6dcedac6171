"""From a query that the guard has passed to an answer that may leave: counting, disclosure control, query log."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import structlog

from flame_node_agent.cohort.answer import SUPPRESSED, CohortAnswer
from flame_node_agent.cohort.cache import SummaryCache, statement_hash
from flame_node_agent.cohort.differencing import Asked, compare
from flame_node_agent.cohort.disclosure import DisclosureControl, Release
from flame_node_agent.cohort.engine import CohortEngine
from flame_node_agent.cohort.guard import GuardedQuery, pinned
from flame_node_agent.cohort.query_log import Earlier, QueryLog, Question
from flame_node_agent.cohort.statistics import summarise
from flame_node_agent.cohort.summary import CohortSummary
from flame_node_agent.errors import Busy, Refused

log = structlog.get_logger(__name__)

MAX_COMPARISONS = 50
"""With more answers than this of similar size, a new one is not compared, and tells less until there are fewer."""

MAX_COMPARISONS_VARIED = 25
"""The same for an answer that later ones have to be compared with whatever their size: half of the above, so that a
project can always go on with answers that tell less."""


class CohortStatistics:
    """Answers to POST /cohort."""

    def __init__(
        self,
        engine: CohortEngine,
        query_log: QueryLog,
        cache: SummaryCache,
        *,
        rounding: int,
        comparing_seconds: float,
    ) -> None:
        """``comparing_seconds`` is how long one answer may take to be compared with earlier ones."""
        self._engine = engine
        self._log = query_log
        self._cache = cache
        self._rounding = rounding
        self._comparing_seconds = comparing_seconds

    async def answer(self, project_id: UUID, query: GuardedQuery, threshold: int) -> CohortAnswer:
        """What a project may be told of a cohort of which ``threshold`` subjects are the fewest to tell about.

        Raises:
            Refused: as the engine does. DatabaseUnavailable: the query log cannot be read or written; without it
                nothing is told.
        """
        # What is counted now has to be the same when later answers are compared with it.
        statement = await asyncio.to_thread(pinned, query.sql, datetime.now(UTC).date())
        summary = await self._summary(statement)
        control = DisclosureControl(threshold, self._rounding)
        # Pure computation, but seconds of it for a query that is made for it.
        releases = await asyncio.to_thread(_releases, control, summary)
        question = Question(
            project_id=project_id,
            statement=statement,
            statement_hash=statement_hash(query.sql),
            subjects=summary.subjects,
            threshold=control.threshold,
            rounding=self._rounding,
        )
        answer, reason = await self._settle(question, releases)
        log.info("cohort.judged", query=query.short_hash, project=str(project_id), outcome=reason)
        return answer

    async def _summary(self, sql: str) -> CohortSummary:
        known = self._cache.get(sql)
        if known is None:
            known = await summarise(self._engine, sql)
            self._cache.put(sql, known)
        return known

    async def _settle(self, question: Question, releases: list[Release]) -> tuple[CohortAnswer, str]:
        """The fullest of ``releases`` that may be given after all that was given before, and what happened."""
        last = 0
        compared = 0
        while True:
            close, last = await self._log.close_to(question, releases, after=last)
            for earlier in close:
                if (again := _again(earlier, question)) is not None:
                    return again, "as_before"
            if not releases:
                return SUPPRESSED, "too_small"
            others = [each for each in close if each.question.statement != question.statement]
            compared += len(others)
            varied = any(release.varied for release in releases)
            if compared > (MAX_COMPARISONS_VARIED if varied else MAX_COMPARISONS):
                log.warning("cohort.too_many_similar", project=str(question.project_id), similar=compared)
                if len(releases) == 1:
                    return SUPPRESSED, "too_similar"
                return await self._settle(question, releases[1:])
            releases = await self._bearable(question, releases, others)
            if not releases:
                return SUPPRESSED, "too_similar"
            # Somebody else may have been answered meanwhile; then what is new is compared as well.
            if await self._log.record(question, releases[0], after=last):
                return releases[0].answer, "released"

    async def _bearable(
        self, question: Question, releases: list[Release], others: list[Earlier]
    ) -> list[Release]:
        """Those releases that betray nothing beside what was told before; none when that cannot be found out."""
        try:
            async with asyncio.timeout(self._comparing_seconds):
                for earlier in others:
                    releases = await self._beside(earlier, question, releases)
                    if not releases:
                        break
        except Busy:
            raise
        except (Refused, TimeoutError) as error:
            # For example, a table that an earlier statement names is gone. What cannot be compared is not told.
            log.warning("cohort.not_comparable", project=str(question.project_id), error=type(error).__name__)
            return []
        return releases

    async def _beside(self, earlier: Earlier, question: Question, releases: list[Release]) -> list[Release]:
        told = Asked(earlier.question.statement, earlier.release, earlier.question.subjects)
        first = Asked(question.statement, releases[0], question.subjects)
        comparison = await compare(self._engine, told, first)
        threshold = max(question.threshold, earlier.question.threshold)

        def harmless(release: Release) -> bool:
            later = Asked(question.statement, release, question.subjects)
            return comparison.harmless(told, later, threshold)

        return [release for release in releases if await asyncio.to_thread(harmless, release)]


def _releases(control: DisclosureControl, summary: CohortSummary) -> list[Release]:
    """What may be told by itself, fullest first: all of it, all but the columns with gaps, the number of records."""
    full = control.release(summary)
    found = [full]
    if full is not None and full.columns:
        found.append(control.release(summary, gaps=False))
    # Where everybody has one row, a distribution has no other sum than the number of records.
    if full is not None and full.distributed and summary.rows != summary.subjects:
        found.append(control.release(summary, gaps=False, distributions=False))
    return [release for release in found if release is not None]


def _again(earlier: Earlier, question: Question) -> CohortAnswer | None:
    """The answer to give once more: the cohort has not changed enough since to tell what has."""
    known = earlier.question
    if known.statement_hash != question.statement_hash:
        return None
    change = abs(known.subjects - question.subjects)
    if change >= max(known.threshold, question.threshold):
        return None
    if (known.threshold, known.rounding) == (question.threshold, question.rounding):
        return earlier.release.answer
    # Under other rules the old answer may not be given, and a new one would tell of the change.
    return SUPPRESSED if change else None
