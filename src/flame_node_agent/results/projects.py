"""The project of an analysis, and its objects: what one analysis stores, all of its project may read."""

from __future__ import annotations

from uuid import UUID

from flame_node_agent.errors import ObjectNotFound, Refused
from flame_node_agent.results.identifiers import as_uuid
from flame_node_agent.results.ports import Knowledge, Objects
from flame_node_agent.stores.objects import ObjectInfo


class Projects:
    """Finds the project that an analysis belongs to."""

    def __init__(self, knowledge: Knowledge, *, deadline: float) -> None:
        """``deadline`` is how many seconds the hub may be asked."""
        self._knowledge = knowledge
        self._deadline = deadline

    async def of(self, caller: str) -> tuple[UUID, UUID]:
        """Give the ids of the analysis and of its project.

        Raises:
            Refused: 404, the hub has no such analysis.
            HubError: the hub must be asked and cannot be.
        """
        analysis_id = as_uuid(caller)
        project_id = None
        if analysis_id is not None:
            project_id = await self._knowledge.project_of(analysis_id, self._deadline)
        if analysis_id is None or project_id is None:
            raise Refused(404, f"Analysis with ID {caller} not found")
        return analysis_id, project_id


def project_prefix(project_id: UUID) -> str:
    """Give what the keys of all objects of a project begin with."""
    return f"local/{project_id}/"


def local_key(project_id: UUID, object_id: UUID) -> str:
    """Name the object that holds a local result, as the FLAME Node Result Service does."""
    return f"{project_prefix(project_id)}{object_id}"


def missing(object_id: UUID) -> Refused:
    """Say that a project has no such object; also for objects of other projects."""
    return Refused(404, f"Object with ID {object_id} does not exist")


async def existing(objects: Objects, project_id: UUID, object_id: UUID) -> ObjectInfo:
    """Look at an object of a project.

    Raises:
        Refused: 404, the project has no such object.
        ObjectStoreUnavailable: the store cannot tell.
    """
    try:
        return await objects.stat(local_key(project_id, object_id))
    except ObjectNotFound as error:
        raise missing(object_id) from error
