"""Objects between "being written" and "belonging to something".

An intent row names the object before its first byte is written. Whoever gives the object a meaning (an outbox row, a
local result) removes the intent in the same transaction. So an object that nobody owns is always known by name, and
what a killed agent left is removed by any other, without ever guessing from the bucket's content.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog

from flame_node_agent.errors import DatabaseUnavailable, LeaseLost, ObjectStoreError
from flame_node_agent.stores.database import Database
from flame_node_agent.stores.objects import Chunk, ObjectStore, StoredObject
from flame_node_agent.telemetry import metrics

log = structlog.get_logger(__name__)

# Part of the statement that gives an object a meaning. Only the agent that announced the object may claim it: an agent
# whose lease has lapsed may find that another one is already removing it.
CLAIM_STAGED = "DELETE FROM staged_object WHERE object_key = %(object_key)s AND owner = %(owner)s RETURNING 1"


class Staged:
    """One object being written under an intent."""

    def __init__(self, objects: ObjectStore, key: str) -> None:
        self._objects = objects
        self.key = key

    async def store(
        self, chunks: AsyncIterable[Chunk], content_type: str = "application/octet-stream"
    ) -> StoredObject:
        """Write the bytes; see :meth:`ObjectStore.put`."""
        return await self._objects.put(self.key, chunks, content_type=content_type)


class Staging:
    """Intents of one agent. The owner id is new at every start, so a restarted agent never renews old intents."""

    def __init__(self, database: Database, objects: ObjectStore, *, lease_seconds: float) -> None:
        self._database = database
        self._objects = objects
        self._lease_seconds = lease_seconds
        self.owner = uuid.uuid4()
        self._sweeper = uuid.uuid4()
        self._wanted: set[str] = set()

    @asynccontextmanager
    async def stage(self, key: str) -> AsyncIterator[Staged]:
        """Announce ``key``. When the block raises, the object is removed unless it was claimed before.

        Raises:
            DatabaseUnavailable: the intent could not be written; nothing was stored.
        """
        await self._database.execute(
            "INSERT INTO staged_object (object_key, owner, lease_expires_at)"
            " VALUES (%(object_key)s, %(owner)s, now() + make_interval(secs => %(lease)s))"
            " ON CONFLICT (object_key) DO NOTHING",
            self._values(key, self.owner),
        )
        self._wanted.add(key)
        try:
            yield Staged(self._objects, key)
        except LeaseLost:
            # Another agent took it for an orphan. What was written after it had looked is nobody's.
            with self._left_to_the_janitor(key):
                await self._orphan(key)
            raise
        except BaseException:
            with self._left_to_the_janitor(key):
                await self.discard(key)
            raise

    async def discard(self, key: str) -> None:
        """Remove an object that is still only intended by this agent; one that was claimed is left alone.

        Whatever becomes of it here, the intent is not renewed any more, so the janitor gets it in the end.
        """
        if key not in self._wanted:
            return
        self._wanted.discard(key)
        # Taken over first: a claim that is still under way in the database comes either before this, or to nothing.
        taken = await self._database.execute(
            "UPDATE staged_object SET owner = %(sweeper)s,"
            " lease_expires_at = now() + make_interval(secs => %(lease)s)"
            " WHERE object_key = %(object_key)s AND owner = %(owner)s RETURNING 1",
            self._values(key, self.owner) | {"sweeper": self._sweeper},
        )
        if taken:
            await self._remove(key)

    async def renew(self) -> int:
        """Keep the intents of what this agent is still working on; how many there are."""
        wanted = list(self._wanted)
        rows = await self._database.execute(
            "UPDATE staged_object SET lease_expires_at = now() + make_interval(secs => %(lease)s)"
            " WHERE owner = %(owner)s AND object_key = ANY(%(wanted)s) RETURNING object_key",
            {"owner": self.owner, "lease": self._lease_seconds, "wanted": wanted},
        )
        renewed = {row["object_key"] for row in rows}
        self._wanted.difference_update(key for key in wanted if key not in renewed)  # claimed, or lost
        return len(renewed)

    async def sweep(self) -> int:
        """Remove what agents that are gone have left half-written; how many objects were removed.

        Each intent is taken over before its object is touched, so an agent that was only slow finds its claim refused.
        An object that cannot be removed is left to a later sweep.

        Raises:
            ObjectStoreError: the store is away.
            DatabaseUnavailable: likewise.
        """
        removed = 0
        stuck: list[str] = []
        while keys := await self._take_over_orphans(stuck):
            for key in keys:
                try:
                    await self._remove(key)
                except ObjectStoreError as error:
                    log.warning("object.not_cleaned", key=key, error=repr(error))
                    stuck.append(key)
                    await self._objects.check()
                else:
                    log.info("orphan.removed", key=key)
                    metrics.JANITOR_REMOVED.labels("orphan").inc()
                    removed += 1
        return removed

    async def _take_over_orphans(self, but: list[str]) -> list[str]:
        """Make a number of lapsed intents the sweeper's, and give their keys."""
        rows = await self._database.execute(
            "UPDATE staged_object SET owner = %(owner)s,"
            " lease_expires_at = now() + make_interval(secs => %(lease)s)"
            " WHERE object_key IN (SELECT object_key FROM staged_object WHERE (lease_expires_at < now()"
            # The latter is from before the database's clock was put back.
            " OR lease_expires_at > now() + make_interval(secs => 86400 + 2 * %(lease)s))"
            " AND object_key <> ALL(%(but)s) LIMIT 200 FOR UPDATE SKIP LOCKED) RETURNING object_key",
            {"owner": self._sweeper, "lease": self._lease_seconds, "but": but},
        )
        return [row["object_key"] for row in rows]

    async def _remove(self, key: str) -> None:
        """Remove everything under a key whose intent is the sweeper's, and then the intent."""
        await self._objects.abort_unfinished(key)
        await self._objects.delete(key)
        await self._database.execute(CLAIM_STAGED, {"object_key": key, "owner": self._sweeper})

    async def _orphan(self, key: str) -> None:
        """Announce an object that belongs to nobody, for the next sweep."""
        self._wanted.discard(key)
        await self._database.execute(
            "INSERT INTO staged_object (object_key, owner, lease_expires_at)"
            " VALUES (%(object_key)s, %(owner)s, now()) ON CONFLICT (object_key)"
            " DO UPDATE SET owner = excluded.owner, lease_expires_at = excluded.lease_expires_at",
            self._values(key, self._sweeper),
        )

    def _values(self, key: str, owner: uuid.UUID) -> dict[str, object]:
        return {"object_key": key, "owner": owner, "lease": self._lease_seconds}

    @contextmanager
    def _left_to_the_janitor(self, key: str) -> Iterator[None]:
        """Where the stores are away, the intent stays, and with it the janitor's knowledge of the object."""
        try:
            yield
        except (DatabaseUnavailable, ObjectStoreError) as error:
            log.warning("object.not_cleaned", key=key, error=repr(error))
