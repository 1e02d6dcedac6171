"""Closed rows of the outbox, and the numbers that describe the open ones."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from flame_node_agent.stores.database import Database
from flame_node_agent.stores.uploads import Upload, UploadState, upload_of


@dataclass(frozen=True)
class OutboxDepth:
    """How many rows are in each state, and how many seconds the oldest undelivered one has waited."""

    by_state: dict[UploadState, int]
    oldest_seconds: float


class Retention:
    """Looks at the outbox as a whole; the operator's and the janitor's view."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def expired(self, days: float, but: Collection[UUID] = (), limit: int = 500) -> list[Upload]:
        """Rows that were delivered or retracted more than ``days`` ago, ``but`` for these.

        Failed ones stay until somebody decides.
        """
        rows = await self._database.execute(
            "SELECT * FROM outbox WHERE state IN ('delivered', 'retracted')"
            " AND finished_at < now() - make_interval(secs => %(seconds)s)"
            " AND upload_id <> ALL(%(but)s) ORDER BY finished_at LIMIT %(limit)s",
            {"seconds": days * 86_400, "but": list(but), "limit": limit},
        )
        return [upload_of(row) for row in rows]

    async def remove(self, upload_ids: list[UUID]) -> None:
        """Forget rows whose objects are gone."""
        if upload_ids:
            await self._database.execute(
                "DELETE FROM outbox WHERE upload_id = ANY(%(ids)s)"
                " AND state IN ('delivered', 'retracted', 'failed')",
                {"ids": upload_ids},
            )

    async def depth(self) -> OutboxDepth:
        """What is in the outbox."""
        rows = await self._database.execute(
            "SELECT state, count(*) AS n, COALESCE(extract(epoch FROM now() - min(created_at)), 0)::float AS age"
            " FROM outbox GROUP BY state"
        )
        by_state = dict.fromkeys(UploadState, 0) | {UploadState(row["state"]): int(row["n"]) for row in rows}
        open_states = {UploadState.WAITING, UploadState.UPLOADING, UploadState.UPLOADED}
        ages = [float(row["age"]) for row in rows if UploadState(row["state"]) in open_states]
        return OutboxDepth(by_state, max(ages, default=0.0))

    async def listing(self, state: UploadState | None, limit: int) -> list[Upload]:
        """Rows, newest first, of one state or of all."""
        rows = await self._database.execute(
            "SELECT * FROM outbox WHERE %(state)s::text IS NULL OR state = %(state)s::text"
            " ORDER BY created_at DESC LIMIT %(limit)s",
            {"state": state, "limit": limit},
        )
        return [upload_of(row) for row in rows]

    async def replay(self, upload_id: UUID) -> bool:
        """Put a failed upload back into the queue, or bring a waiting one forward; False when there is no such one."""
        rows = await self._database.execute(
            "UPDATE outbox SET state = CASE WHEN interactive THEN 'retracting' WHEN hub_file_id IS NULL"
            " THEN 'waiting' ELSE 'uploaded' END, not_before = now(), attempts = 0, finished_at = NULL"
            " WHERE upload_id = %(id)s AND (state = 'failed' OR (state = 'waiting' AND lease_token IS NULL))"
            " RETURNING 1",
            {"id": upload_id},
        )
        return bool(rows)
