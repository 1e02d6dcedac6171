"""Tags of local results. The objects themselves are in the object store, under the project they belong to.

Only tagged results have rows here (as in the FLAME Node Result Service, whose tables these are).
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flame_node_agent.errors import FilenameConflict, LeaseLost
from flame_node_agent.stores.database import Connection, Database
from flame_node_agent.stores.staging import CLAIM_STAGED


@dataclass(frozen=True)
class TaggedResult:
    """One file under a tag."""

    filename: str
    object_id: UUID


class LocalResults:
    """Rows about local results."""

    def __init__(self, database: Database, *, owner: UUID) -> None:
        self._database = database
        self._owner = owner

    async def record(
        self,
        *,
        object_id: UUID,
        analysis_id: UUID,
        project_id: UUID,
        filename: str,
        tag: str | None,
        object_key: str,
    ) -> None:
        """Give a staged object its meaning, with its tag if it has one, in one transaction.

        Raises:
            LeaseLost: the object was already given up as an orphan. DatabaseUnavailable.
        """
        # Tried only once: a second try could not tell a claim whose answer was lost from one that came too late.
        async with self._database.connection() as connection, connection.transaction():
            cursor = await connection.execute(
                CLAIM_STAGED.encode(), {"object_key": object_key, "owner": self._owner}
            )
            if cursor.rowcount != 1:
                raise LeaseLost(object_key)
            if tag is not None:
                await _tag(connection, project_id, analysis_id, object_id, tag, filename)

    async def tags(self, project_id: UUID) -> list[str]:
        """Names of a project's tags, oldest first."""
        rows = await self._database.execute(
            "SELECT tag_name FROM tag WHERE project_id = %(project)s ORDER BY id",
            {"project": str(project_id)},
        )
        return [row["tag_name"] for row in rows]

    async def tagged(self, project_id: UUID, tag: str) -> list[TaggedResult]:
        """Files under a tag in the order they were tagged (the SDK's "first" and "last" mean that order)."""
        rows = await self._database.execute(
            "SELECT result.filename, result.object_id FROM taggedresult"
            " JOIN tag ON tag.id = taggedresult.tag_id JOIN result ON result.id = taggedresult.result_id"
            " WHERE tag.project_id = %(project)s AND tag.tag_name = %(tag)s ORDER BY taggedresult.id",
            {"project": str(project_id), "tag": tag},
        )
        return [TaggedResult(row["filename"], row["object_id"]) for row in rows]

    async def tag_object(
        self, *, project_id: UUID, analysis_id: UUID, object_id: UUID, tag: str, filename: str | None
    ) -> str:
        """Tag an object that is already stored and give its file name; repeating it changes nothing.

        Raises:
            FilenameConflict: the analysis has stored the object under another name.
        """

        async def write(connection: Connection) -> str:
            known = await _filename(connection, object_id, analysis_id)
            if known is not None and filename is not None and known != filename:
                raise FilenameConflict(object_id, analysis_id, filename)
            name = known or filename or str(object_id)
            await _tag(connection, project_id, analysis_id, object_id, tag, name)
            return name

        return await self._database.run(write)

    async def filename_of(self, object_id: UUID, analysis_id: UUID) -> str | None:
        """The name an analysis has stored an object under, if it is tagged."""
        async with self._database.connection() as connection:
            return await _filename(connection, object_id, analysis_id)

    async def delete_project(self, project_id: UUID, object_ids: list[UUID]) -> None:
        """Remove all rows of a project whose objects are ``object_ids``."""

        async def write(connection: Connection) -> None:
            await connection.execute("DELETE FROM result WHERE object_id = ANY(%s)", [object_ids])
            await connection.execute("DELETE FROM tag WHERE project_id = %s", [str(project_id)])

        await self._database.run(write)


async def _filename(connection: Connection, object_id: UUID, analysis_id: UUID) -> str | None:
    cursor = await connection.execute(
        "SELECT filename FROM result WHERE object_id = %s AND client_id = %s", [object_id, str(analysis_id)]
    )
    row = await cursor.fetchone()
    return None if row is None else row["filename"]


async def _tag(
    connection: Connection, project_id: UUID, analysis_id: UUID, object_id: UUID, tag: str, filename: str
) -> None:
    # "DO UPDATE" locks the tag's row, so two equal calls at the same time end in one row of taggedresult.
    await connection.execute(
        "INSERT INTO tag (tag_name, project_id) VALUES (%s, %s)"
        " ON CONFLICT (tag_name, project_id) DO UPDATE SET tag_name = excluded.tag_name",
        [tag, str(project_id)],
    )
    await connection.execute(
        "INSERT INTO result (client_id, object_id, filename) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        [str(analysis_id), object_id, filename],
    )
    await connection.execute(
        "INSERT INTO taggedresult (tag_id, result_id) SELECT tag.id, result.id FROM tag, result"
        " WHERE tag.tag_name = %(tag)s AND tag.project_id = %(project)s"
        " AND result.client_id = %(client)s AND result.object_id = %(object)s"
        " AND NOT EXISTS (SELECT 1 FROM taggedresult AS known"
        " WHERE known.tag_id = tag.id AND known.result_id = result.id)",
        {"tag": tag, "project": str(project_id), "client": str(analysis_id), "object": object_id},
    )
