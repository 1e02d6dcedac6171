"""Approved cohorts, frozen: the query of a project and whom it covered, in the state database.

What is kept is the query and the ids it gave; no other value. The first freeze of a project stands until it is
deleted, so that a cohort may shrink and never grows (FLIP data-access-api, cohort snapshots).
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from psycopg.rows import DictRow

from flame_node_agent.errors import DatabaseUnavailable, Refused
from flame_node_agent.stores.database import Connection, Database

type MemberKind = Literal["person", "accession"]
type Member = tuple[MemberKind, str]

READ_FAILED = "Cohort snapshot store read failed."
PAGE = 5000
"""Ids that are read or looked up at a time."""

_LONGEST_WAIT = "10min"
"""For the OMOP database between two batches of members, while a freeze is open."""

_COLUMNS = "project_id, query, query_hash, row_count, subject_count, columns, frozen_at"


def query_hash(query: str) -> str:
    """SHA-256, in hex, of a query with its white space normalised and in lower case (FLIP data-access-api)."""
    return hashlib.sha256(" ".join(query.split()).lower().encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Snapshot:
    """The approved cohort of one project, without its members."""

    project_id: UUID
    query: str
    query_hash: str
    row_count: int
    """As it was told to the hub."""
    subject_count: int
    """Exact, and told nobody."""
    columns: tuple[str, ...]
    frozen_at: datetime

    @property
    def has_accessions(self) -> bool:
        """Whether the query is of imaging studies; by its form, not by how many there are."""
        return "accession_id" in self.columns


class SnapshotStore:
    """Snapshots in PostgreSQL; what is frozen at once becomes visible at once, or never."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, project_id: UUID) -> Snapshot | None:
        """Give the snapshot of a project, or None.

        Raises:
            Refused: 500, the store cannot be read; never taken for "there is none".
        """
        try:
            rows = await self._database.execute(
                f"SELECT {_COLUMNS} FROM cohort_snapshot WHERE project_id = %(project)s",
                {"project": project_id},
            )
        except DatabaseUnavailable as error:
            raise Refused(500, READ_FAILED) from error
        return _snapshot(rows[0]) if rows else None

    async def listing(self) -> list[Snapshot]:
        """Give all snapshots, the newest first; DatabaseUnavailable."""
        rows = await self._database.execute(f"SELECT {_COLUMNS} FROM cohort_snapshot ORDER BY frozen_at DESC")
        return [_snapshot(row) for row in rows]

    async def freeze(self, snapshot: Snapshot, members: AsyncIterable[Sequence[Member]]) -> Snapshot:
        """Keep a snapshot with its members in one transaction; if there is one by now, give that one instead.

        Raises:
            DatabaseUnavailable: nothing was kept.
        """
        async with self._database.connection() as connection, connection.transaction():
            await _take_time(connection)
            lock = snapshot.project_id.int & 0x7FFF_FFFF_FFFF_FFFF
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", [lock])
            cursor = await connection.execute(
                f"SELECT {_COLUMNS} FROM cohort_snapshot WHERE project_id = %s", [snapshot.project_id]
            )
            existing = await cursor.fetchone()
            if existing is not None:
                return _snapshot(existing)
            await connection.execute(
                f"INSERT INTO cohort_snapshot ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s)",
                [
                    snapshot.project_id,
                    snapshot.query,
                    snapshot.query_hash,
                    snapshot.row_count,
                    snapshot.subject_count,
                    list(snapshot.columns),
                    snapshot.frozen_at,
                ],
            )
            copying = "COPY cohort_snapshot_member (project_id, kind, member) FROM STDIN"
            async with connection.cursor() as cursor, cursor.copy(copying) as copy:
                async for batch in members:
                    for kind, member in batch:
                        await copy.write_row((snapshot.project_id, kind, member))
        return snapshot

    async def delete(self, project_id: UUID) -> bool:
        """Remove the snapshot of a project, and tell whether there was one.

        Raises:
            DatabaseUnavailable: it may still be there.
        """

        async def remove(connection: Connection) -> bool:
            await _take_time(connection)
            await connection.execute("DELETE FROM cohort_snapshot_member WHERE project_id = %s", [project_id])
            cursor = await connection.execute(
                "DELETE FROM cohort_snapshot WHERE project_id = %s", [project_id]
            )
            return cursor.rowcount > 0

        return await self._database.run(remove)

    async def members_among(self, project_id: UUID, kind: MemberKind, ids: Collection[str]) -> frozenset[str]:
        """Tell which of some ids belong to the cohort.

        Raises:
            Refused: 500, the store cannot be read.
        """
        if not ids:
            return frozenset()
        return frozenset(
            await self._members(
                "AND member = ANY(%(ids)s)", {"project": project_id, "kind": kind, "ids": list(ids)}
            )
        )

    async def pages(self, project_id: UUID, kind: MemberKind) -> AsyncGenerator[Sequence[str]]:
        """All ids of a kind in their order, :data:`PAGE` at a time.

        Raises:
            Refused: 500, the store cannot be read.
        """
        last = ""
        while page := await self._members(
            "AND member > %(last)s ORDER BY member LIMIT %(page)s",
            {"project": project_id, "kind": kind, "last": last, "page": PAGE},
        ):
            yield page
            last = page[-1]

    async def check(self) -> None:
        """Whether the state database answers and has this version's tables; DatabaseUnavailable."""
        await self._database.check()

    async def _members(self, condition: str, parameters: dict[str, object]) -> list[str]:
        statement = (
            "SELECT member FROM cohort_snapshot_member"
            f" WHERE project_id = %(project)s AND kind = %(kind)s {condition}"
        )
        try:
            return [row["member"] for row in await self._database.execute(statement, parameters)]
        except DatabaseUnavailable as error:
            raise Refused(500, READ_FAILED) from error


async def _take_time(connection: Connection) -> None:
    """A cohort of millions takes longer to write than the pool allows a statement."""
    await connection.execute("SET LOCAL statement_timeout = 0")
    await connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{_LONGEST_WAIT}'")


def _snapshot(row: DictRow) -> Snapshot:
    return Snapshot(**{**row, "columns": tuple(row["columns"])})
