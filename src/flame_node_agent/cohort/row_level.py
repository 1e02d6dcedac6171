"""Rows for what runs inside the trust: analyses (POST /cohort/dataframe) and imaging (POST /cohort/accession-ids).

They come from the project's frozen cohort; the caller's SQL is not looked at (FLIP data-access-api, cohort snapshots).
Only with COHORT_ROW_LEVEL=live, as with hubs that freeze nothing, the caller's SQL runs, with the threshold applied.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import structlog

from flame_node_agent.cohort import row_level_sql
from flame_node_agent.cohort.engine import Row
from flame_node_agent.cohort.failures import QUERY_FAILED, failing_as
from flame_node_agent.cohort.freezing import NO_STORE
from flame_node_agent.cohort.identifiers import DirectIdentifiers
from flame_node_agent.cohort.policy import Action
from flame_node_agent.cohort.ports import CohortDependencies
from flame_node_agent.cohort.postgres_errors import QUERY_TIMEOUT
from flame_node_agent.cohort.project import Project, open_project
from flame_node_agent.cohort.row_level_frame import Admission, Membership, frame, too_small
from flame_node_agent.cohort.row_level_sql import KNOWN_ACCESSIONS
from flame_node_agent.cohort.snapshots import MemberKind, Snapshot, query_hash
from flame_node_agent.cohort.streaming import StreamedJson
from flame_node_agent.cohort.subjects import ACCESSION, PERSON, CohortShape, shape_of
from flame_node_agent.config.data_access import DataAccessSettings
from flame_node_agent.errors import Refused
from flame_node_agent.wire.data_access import RowLevelQuery

log = structlog.get_logger(__name__)

NO_SNAPSHOT = "No approved cohort snapshot exists for this project."
NO_ACCESSIONS = "Cohort query did not return an 'accession_id' column."

MAX_HELD_ACCESSIONS = 1_000_000
"""Ids that wait, in memory, until they are known to be of enough people; with more of so few, it is too small."""

_KINDS: dict[str, MemberKind] = {PERSON: "person", ACCESSION: "accession"}


class RowLevel:
    """The two routes that answer with rows."""

    def __init__(self, deps: CohortDependencies, settings: DataAccessSettings) -> None:
        self._deps = deps
        self._live = settings.cohort_row_level == "live"
        self._snapshots = settings.cohort_snapshots
        self._seconds = settings.cohort_statement_timeout_seconds
        self._identifiers = DirectIdentifiers(settings.cohort_identifier_columns)

    async def dataframe(self, request: RowLevelQuery) -> StreamedJson:
        """Give the rows of the project's approved cohort, as a JSON object of columns with their values."""
        project = open_project(self._deps.keyring, request.encrypted_project_id)
        threshold = self._threshold(Action.DATAFRAME, project)
        if self._live:
            return await self._begin(self._frame(request.query, threshold, None))
        snapshot = await self._snapshot(project, request.query)
        frozen = [kind for name, kind in _KINDS.items() if name in snapshot.columns]
        membership = Membership(snapshot.project_id, frozen, self._deps.snapshots.members_among)
        return await self._begin(self._frame(snapshot.query, threshold, membership))

    async def accession_ids(self, request: RowLevelQuery) -> StreamedJson:
        """Give the imaging studies of the project's approved cohort that are still in the OMOP database."""
        project = open_project(self._deps.keyring, request.encrypted_project_id)
        threshold = self._threshold(Action.ACCESSION_IDS, project)
        if self._live:
            return await self._begin(_accession_list(self._live_accessions(request.query), threshold))
        snapshot = await self._snapshot(project, request.query)
        if snapshot.subject_count < threshold:
            raise too_small()
        # A cohort without imaging has nothing to pull, which its form tells.
        if not await self._has_accessions(snapshot):
            return await self._begin(_no_accessions())
        return await self._begin(_accession_list(self._known_accessions(snapshot), threshold))

    def _threshold(self, action: Action, project: Project) -> int:
        decision = self._deps.policy.decide(action, project.uuid)
        if not decision.permit:
            log.warning("policy.denied", project=project.text[:64], action=action, rule=decision.rule)
            raise too_small()
        return decision.threshold

    async def _snapshot(self, project: Project, query: str) -> Snapshot:
        if not self._snapshots:
            raise Refused(503, NO_STORE)
        project_id = project.uuid
        snapshot = None if project_id is None else await self._deps.snapshots.find(project_id)
        if snapshot is None:
            raise Refused(403, NO_SNAPSHOT)
        if query_hash(query) != snapshot.query_hash:
            log.warning("snapshot.other_query_ignored", project=str(project_id))
        return snapshot

    async def _begin(self, chunks: AsyncGenerator[bytes]) -> StreamedJson:
        """Wait until it is known that there is an answer.

        The database counts its own time anew for each batch of rows, and many may pass before the first byte.
        """
        with failing_as(QUERY_FAILED):
            try:
                async with asyncio.timeout(self._seconds):
                    return await StreamedJson.begin(chunks)
            except TimeoutError:
                raise Refused(500, QUERY_TIMEOUT) from None

    async def _has_accessions(self, snapshot: Snapshot) -> bool:
        async with aclosing(self._deps.snapshots.pages(snapshot.project_id, "accession")) as pages:
            return await anext(pages, None) is not None
        raise AssertionError("the block above returns or raises")

    async def _frame(
        self, query: str, threshold: int, membership: Membership | None
    ) -> AsyncGenerator[bytes]:
        shape = await self._shape(query)
        if shape.naming is None:
            raise too_small()
        admission = Admission(threshold, membership)
        async with self._deps.engine.rows(row_level_sql.frame(shape)) as rows:
            chunks = frame(rows.batches, shape.columns, admission)
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk

    async def _shape(self, query: str) -> CohortShape:
        """Pass a query, also one that was frozen, through the guard as it is today."""
        guarded = await asyncio.to_thread(self._deps.guard, query)
        shape = shape_of(guarded.sql, await self._deps.engine.describe(guarded.sql))
        await asyncio.to_thread(self._identifiers.check, shape.columns, guarded.sql, status=403)
        return shape

    async def _live_accessions(self, query: str) -> AsyncGenerator[Sequence[Row]]:
        shape = await self._shape(query)
        if ACCESSION not in shape.columns:
            raise Refused(400, NO_ACCESSIONS)
        async with self._deps.engine.rows(row_level_sql.accessions(shape)) as rows:
            async for batch in rows.batches:
                yield batch

    async def _known_accessions(self, snapshot: Snapshot) -> AsyncGenerator[Sequence[Row]]:
        async for page in self._deps.snapshots.pages(snapshot.project_id, "accession"):
            async with self._deps.engine.rows(KNOWN_ACCESSIONS, [list(page)]) as rows:
                async for batch in rows.batches:
                    yield batch


async def _accession_list(batches: AsyncGenerator[Sequence[Row]], threshold: int) -> AsyncGenerator[bytes]:
    """Write the JSON object of rows (accession id, person id), once they are known to be of enough people."""
    subjects: set[str] = set()
    held: list[str] = []
    begun = False
    async with aclosing(batches):
        async for batch in batches:
            if len(held) > MAX_HELD_ACCESSIONS:
                raise too_small()
            subjects.update(person for _, person in batch if not begun)
            held += [json.dumps(accession, ensure_ascii=False) for accession, _ in batch]
            if len(subjects) < threshold or not held:
                continue
            yield (("," if begun else '{"accession_ids":[') + ",".join(held)).encode()
            begun = True
            held.clear()
    if not begun:
        raise too_small()
    yield b"]}"


async def _no_accessions() -> AsyncGenerator[bytes]:
    yield b'{"accession_ids":[]}'
