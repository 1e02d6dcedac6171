"""Freezing the cohort of an approved project, and letting go of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

import structlog

from flame_node_agent.cohort import row_level_sql
from flame_node_agent.cohort.engine import Row
from flame_node_agent.cohort.failures import QUERY_FAILED, STATISTICS_FAILED, failing_as
from flame_node_agent.cohort.identifiers import DirectIdentifiers
from flame_node_agent.cohort.policy import Action
from flame_node_agent.cohort.ports import CohortDependencies
from flame_node_agent.cohort.project import open_project
from flame_node_agent.cohort.row_level_frame import too_small
from flame_node_agent.cohort.snapshots import Member, Snapshot, query_hash
from flame_node_agent.cohort.subjects import shape_of
from flame_node_agent.config.data_access import DataAccessSettings
from flame_node_agent.errors import Refused
from flame_node_agent.wire.data_access import Deleted, ProjectReference, RowLevelQuery, SnapshotFacts

log = structlog.get_logger(__name__)

NO_STORE = "Cohort snapshot store is not configured on this trust."
TOO_LARGE = "Cohort snapshot exceeds the configured size limit."
UNCOUNTABLE = (
    "Cohort query must expose the subjects it covers so the disclosure threshold can be applied per subject: "
    "add a person_id column to the SELECT list, or an accession_id column for an imaging cohort."
)


class Freezing:
    """POST /cohort/snapshot and /cohort/snapshot/delete."""

    def __init__(self, deps: CohortDependencies, settings: DataAccessSettings) -> None:
        self._deps = deps
        self._enabled = settings.cohort_snapshots
        self._max_bytes = settings.snapshot_max_bytes
        self._identifiers = DirectIdentifiers(settings.cohort_identifier_columns)

    async def create(self, request: RowLevelQuery) -> SnapshotFacts:
        """Run the cohort of an approved project once and freeze whom it covers.

        The first freeze of a project stands: a repeat gives its facts, whatever the query. The number of rows is the
        one that POST /cohort tells for the query, so that nothing can be computed from the two.
        """
        project_id = self._project(request.encrypted_project_id)
        decision = self._deps.policy.decide(Action.STATISTICS, project_id)
        if not decision.permit:
            log.warning(
                "policy.denied", project=str(project_id), action=Action.STATISTICS, rule=decision.rule
            )
            raise too_small()
        kept = await self._deps.snapshots.find(project_id)
        if kept is None:
            kept = await self._freeze(project_id, request.query, decision.threshold)
        if kept.query_hash != query_hash(request.query):
            log.warning("snapshot.other_query_kept", project=str(project_id))
        return _facts(kept)

    async def delete(self, request: ProjectReference) -> Deleted:
        """Remove the frozen cohort of a project, if there is one; its rows are refused from then on."""
        project_id = self._project(request.encrypted_project_id)
        deleted = await self._deps.snapshots.delete(project_id)
        log.info("snapshot.deleted", project=str(project_id), found=deleted)
        return Deleted(deleted=deleted)

    def _project(self, encrypted_project_id: str) -> UUID:
        if not self._enabled:
            raise Refused(503, NO_STORE)
        return open_project(self._deps.keyring, encrypted_project_id).required_uuid()

    async def _freeze(self, project_id: UUID, query: str, threshold: int) -> Snapshot:
        guarded = await asyncio.to_thread(self._deps.guard, query)
        shape = shape_of(guarded.sql, await self._deps.engine.describe(guarded.sql))
        if shape.naming is None:
            raise Refused(400, UNCOUNTABLE)
        await asyncio.to_thread(self._identifiers.check, shape.columns, guarded.sql, status=400)
        with failing_as(STATISTICS_FAILED):
            answer = await self._deps.statistics.answer(project_id, guarded, threshold)
        if answer.suppressed:
            raise too_small()
        rows = self._deps.engine.rows(row_level_sql.members(shape))
        with failing_as(QUERY_FAILED):
            async with rows as opened:
                found = _Found(opened.batches)
                await found.read_facts()
                found.check(threshold, self._max_bytes)
                snapshot = Snapshot(
                    project_id=project_id,
                    query=query,
                    query_hash=query_hash(query),
                    row_count=answer.record_count,
                    subject_count=found.facts["subjects"],
                    columns=shape.columns,
                    frozen_at=datetime.now(UTC),
                )
                kept = await self._deps.snapshots.freeze(snapshot, found.members())
        if kept is snapshot:
            log.info("snapshot.frozen", project=str(project_id), query=guarded.short_hash)
        return kept


class _Found:
    """The rows of :func:`.row_level_sql.members`: facts, then members."""

    def __init__(self, batches: AsyncIterator[Sequence[Row]]) -> None:
        self.facts: dict[str, int] = {}
        self._batches = batches
        self._left: list[Member] = []

    async def read_facts(self) -> None:
        """Read the numbers, which come first."""
        async for batch in self._batches:
            for what, value in batch:
                if what in {"person", "accession"}:
                    self._left.append((what, value))
                else:
                    self.facts[what] = int(value)
            if len(self.facts) == 2:
                return

    def check(self, threshold: int, max_bytes: int) -> None:
        """Refuse a cohort of too few people, and one that is too large.

        Raises:
            Refused: 403 or 413.
        """
        if self.facts["subjects"] < threshold:
            raise too_small()
        if self.facts["bytes"] > max_bytes:
            raise Refused(413, TOO_LARGE)

    async def members(self) -> AsyncIterator[Sequence[Member]]:
        """All members, in batches."""
        yield self._left
        async for batch in self._batches:
            yield [(what, value) for what, value in batch]


def _facts(snapshot: Snapshot) -> SnapshotFacts:
    return SnapshotFacts(
        row_count=snapshot.row_count,
        columns=list(snapshot.columns),
        has_accessions=snapshot.has_accessions,
        snapshot_at=snapshot.frozen_at.astimezone(UTC).isoformat(),
        query_hash=snapshot.query_hash,
    )
