"""What the hub has said of analyses, remembered so that results are accepted while the hub is away.

Three layers, nearest first: this process' memory, PostgreSQL, the hub. What is younger than the time-to-live is taken
as it is; what is older is asked again, and used all the same when the hub cannot be asked. A "there is none" of the
hub is believed at once and never remembered.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import structlog

from flame_node_agent.errors import HubError, is_retryable
from flame_node_agent.hub.core import HubCore
from flame_node_agent.hub.retry import with_retries
from flame_node_agent.stores.database import Database
from flame_node_agent.wire.hub import AnalysisBucket, BucketKind

log = structlog.get_logger(__name__)

REMEMBERED_AT_MOST = 10_000
STALE_PAUSE_SECONDS = 10.0


@dataclass(frozen=True)
class _Known[T]:
    """A fact and how old it is in seconds."""

    value: T
    age: float


@dataclass(frozen=True)
class _Found[T]:
    """The value to use, for how many seconds it needs no other look, and whether the hub has just said it."""

    value: T | None
    seconds: float
    asked: bool


class _Memory[T]:
    """A bounded map whose entries are believed until a moment of the monotonic clock."""

    def __init__(self) -> None:
        self._entries: OrderedDict[object, tuple[float, T]] = OrderedDict()

    def get(self, key: object) -> T | None:
        entry = self._entries.get(key)
        return entry[1] if entry is not None and entry[0] > time.monotonic() else None

    def put(self, key: object, value: T, *, seconds: float) -> None:
        self._entries[key] = (time.monotonic() + seconds, value)
        self._entries.move_to_end(key)
        if len(self._entries) > REMEMBERED_AT_MOST:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        self._entries.clear()


class Knowledge:
    """Answers what belongs to an analysis."""

    def __init__(self, database: Database, core: HubCore, *, ttl: float) -> None:
        self._database = database
        self._core = core
        self._ttl = ttl
        self._projects: _Memory[UUID] = _Memory()
        self._buckets: _Memory[AnalysisBucket] = _Memory()

    async def project_of(self, analysis_id: UUID, deadline: float) -> UUID | None:
        """The project of an analysis; None when the hub says there is no such analysis.

        ``deadline`` is how many seconds the hub may be asked.

        Raises:
            HubError: the hub must be asked, and cannot be. DatabaseUnavailable.
        """
        if (project := self._projects.get(analysis_id)) is not None:
            return project

        async def ask() -> UUID | None:
            analysis = await self._core.get_analysis(analysis_id)
            return analysis.project_id if analysis else None

        known = await self._read_project(analysis_id)
        found = await self._refresh(known, ask, deadline, what="analysis")
        if found.value is None:
            await self._forget(analysis_id)
            return None
        if found.asked:
            await self._write_project(analysis_id, found.value)
        self._projects.put(analysis_id, found.value, seconds=found.seconds)
        return found.value

    async def bucket_of(self, analysis_id: UUID, kind: BucketKind, deadline: float) -> AnalysisBucket | None:
        """The bucket of an analysis that takes files of ``kind``; None when the hub says there is none.

        Raises:
            HubError: the hub must be asked, and cannot be. DatabaseUnavailable.
        """
        if (bucket := self._buckets.get((analysis_id, kind))) is not None:
            return bucket
        known = await self._read_bucket(analysis_id, kind)

        async def ask() -> AnalysisBucket | None:
            return await self._core.find_analysis_bucket(analysis_id, kind)

        found = await self._refresh(known, ask, deadline, what="bucket")
        if found.value is None:
            await self._database.execute(
                "DELETE FROM known_bucket WHERE analysis_id = %(analysis)s AND kind = %(kind)s",
                {"analysis": analysis_id, "kind": kind},
            )
            return None
        if found.asked:
            await self.learn_bucket(found.value)
        self._buckets.put((analysis_id, kind), found.value, seconds=found.seconds)
        return found.value

    async def learn_bucket(self, bucket: AnalysisBucket) -> None:
        """Remember a bucket that the hub has just shown."""
        await self._database.execute(
            "INSERT INTO known_bucket (analysis_id, kind, bucket_id, storage_bucket_id, links_by_itself)"
            " VALUES (%(analysis)s, %(kind)s, %(bucket)s, %(storage)s, %(links)s)"
            " ON CONFLICT (analysis_id, kind) DO UPDATE SET bucket_id = excluded.bucket_id,"
            " storage_bucket_id = excluded.storage_bucket_id, links_by_itself = excluded.links_by_itself,"
            " learned_at = now()",
            {
                "analysis": bucket.analysis_id,
                "kind": bucket.kind,
                "bucket": bucket.id,
                "storage": bucket.storage_bucket_id,
                "links": bucket.links_by_itself,
            },
        )
        self._buckets.put((bucket.analysis_id, bucket.kind), bucket, seconds=self._ttl)

    async def forget_project(self, project_id: UUID) -> None:
        """Forget a project that the hub no longer has, with its analyses."""
        await self._database.execute(
            "WITH gone AS (DELETE FROM known_analysis WHERE project_id = %(project)s RETURNING analysis_id)"
            " DELETE FROM known_bucket WHERE analysis_id IN (SELECT analysis_id FROM gone)",
            {"project": project_id},
        )
        self._projects.clear()
        self._buckets.clear()

    async def _refresh[T](
        self, known: _Known[T] | None, ask: Callable[[], Awaitable[T | None]], deadline: float, *, what: str
    ) -> _Found[T]:
        if known is not None and known.age < self._ttl:
            return _Found(known.value, self._ttl - known.age, asked=False)
        try:
            return _Found(await with_retries(ask, deadline=deadline, what=what), self._ttl, asked=True)
        except HubError as error:
            if known is None or not is_retryable(error):
                raise
            log.warning("knowledge.stale", what=what, age_seconds=round(known.age), error=str(error))
            return _Found(known.value, min(STALE_PAUSE_SECONDS, self._ttl), asked=False)

    async def _read_project(self, analysis_id: UUID) -> _Known[UUID] | None:
        rows = await self._database.execute(
            "SELECT project_id, extract(epoch FROM now() - learned_at)::float AS age FROM known_analysis"
            " WHERE analysis_id = %(analysis)s",
            {"analysis": analysis_id},
        )
        return _Known(rows[0]["project_id"], rows[0]["age"]) if rows else None

    async def _write_project(self, analysis_id: UUID, project_id: UUID) -> None:
        await self._database.execute(
            "INSERT INTO known_analysis (analysis_id, project_id) VALUES (%(analysis)s, %(project)s)"
            " ON CONFLICT (analysis_id) DO UPDATE SET project_id = excluded.project_id, learned_at = now()",
            {"analysis": analysis_id, "project": project_id},
        )

    async def _read_bucket(self, analysis_id: UUID, kind: BucketKind) -> _Known[AnalysisBucket] | None:
        rows = await self._database.execute(
            "SELECT *, extract(epoch FROM now() - learned_at)::float AS age FROM known_bucket"
            " WHERE analysis_id = %(analysis)s AND kind = %(kind)s",
            {"analysis": analysis_id, "kind": kind},
        )
        if not rows:
            return None
        row = rows[0]
        bucket = AnalysisBucket(
            id=row["bucket_id"],
            analysis_id=analysis_id,
            kind=kind,
            storage_bucket_id=row["storage_bucket_id"],
            links_by_itself=row["links_by_itself"],
        )
        return _Known(bucket, row["age"])

    async def _forget(self, analysis_id: UUID) -> None:
        await self._database.execute(
            "WITH gone AS (DELETE FROM known_bucket WHERE analysis_id = %(analysis)s)"
            " DELETE FROM known_analysis WHERE analysis_id = %(analysis)s",
            {"analysis": analysis_id},
        )
