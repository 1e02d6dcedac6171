"""Removes what nobody needs any more: closed uploads after their time, and what dead agents left half-written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog

from flame_node_agent.errors import DatabaseUnavailable, ObjectStoreError
from flame_node_agent.stores.objects import ObjectStore
from flame_node_agent.stores.retention import Retention
from flame_node_agent.stores.staging import Staging
from flame_node_agent.stores.uploads import Upload
from flame_node_agent.telemetry import metrics

log = structlog.get_logger(__name__)


class Janitor:
    """One round at a time; any number of agents may run one."""

    def __init__(self, retention: Retention, staging: Staging, objects: ObjectStore, *, days: float) -> None:
        self._retention = retention
        self._staging = staging
        self._objects = objects
        self._days = days

    async def round(self) -> None:
        """Clean up once; what cannot be done now is done in a later round."""
        orphans = uploads = 0
        with _postponed_while_away():
            orphans = await self._staging.sweep()
        with _postponed_while_away():
            uploads = await self._expire()
        if orphans or uploads:
            log.info("janitor.cleaned", orphans=orphans, uploads=uploads)

    async def _expire(self) -> int:
        """Remove closed uploads after their time, and say how many; objects go before their rows.

        So a row never outlives what it needs to be found again.
        """
        removed = 0
        stuck: set[UUID] = set()
        while expired := await self._retention.expired(self._days, but=stuck):
            gone = [upload.upload_id for upload in expired if await self._without_object(upload)]
            await self._retention.remove(gone)
            metrics.JANITOR_REMOVED.labels("upload").inc(len(gone))
            removed += len(gone)
            stuck.update(upload.upload_id for upload in expired if upload.upload_id not in gone)
        return removed

    async def _without_object(self, upload: Upload) -> bool:
        """Remove the object of an upload, if it has one of its own; ObjectStoreError when the store is away."""
        if upload.owns_object:
            try:
                await self._objects.delete(upload.object_key)
            except ObjectStoreError as error:
                log.warning("object.not_cleaned", key=upload.object_key, error=repr(error))
                await self._objects.check()
                return False
        return True


@contextmanager
def _postponed_while_away() -> Iterator[None]:
    """Where a store is away, one part of the round is left for later, and the next one is tried."""
    try:
        yield
    except (DatabaseUnavailable, ObjectStoreError) as error:
        log.warning("janitor.postponed", error=str(error))
