"""Removes what nobody needs any more: closed uploads after their time, and what dead agents left half-written."""

from __future__ import annotations

import structlog

from flame_node_agent.errors import DatabaseUnavailable, ObjectStoreError
from flame_node_agent.stores.objects import ObjectStore
from flame_node_agent.stores.retention import Retention
from flame_node_agent.stores.staging import Staging
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
        try:
            while swept := await self._staging.sweep():
                orphans += swept
            while expired := await self._expire():
                uploads += expired
        except (DatabaseUnavailable, ObjectStoreError) as error:
            log.warning("janitor.postponed", error=str(error))
        metrics.JANITOR_REMOVED.labels("orphan").inc(orphans)
        metrics.JANITOR_REMOVED.labels("upload").inc(uploads)
        if orphans or uploads:
            log.info("janitor.cleaned", orphans=orphans, uploads=uploads)

    async def _expire(self) -> int:
        """Remove a number of closed uploads, and say how many; objects go before their rows.

        So a row never outlives what it needs to be found again.
        """
        expired = await self._retention.expired(self._days)
        for upload in expired:
            if upload.owns_object:
                await self._objects.delete(upload.object_key)
        await self._retention.remove([upload.upload_id for upload in expired])
        return len(expired)
