"""``get_imaging_status``: how far imaging-api has come with fetching a project's studies."""

from __future__ import annotations

from flame_node_agent.errors import ServiceFailed
from flame_node_agent.hub.trust_services import TrustServices
from flame_node_agent.tasks.handling import PayloadHandler
from flame_node_agent.tasks.outcomes import failure, success
from flame_node_agent.wire.task_payloads import ImagingStatus
from flame_node_agent.wire.tasks import Outcome


class ImagingStatusHandler(PayloadHandler[ImagingStatus]):
    """Reports the counts of studies; the status of a failure as well, by which the hub knows a project that is gone."""

    payload = ImagingStatus

    def __init__(self, services: TrustServices) -> None:
        self._services = services

    async def handle(self, payload: ImagingStatus) -> Outcome:
        """Ask for the counts."""
        path = f"/retrieval/import_status_count/{payload.imaging_project_id}"
        try:
            answer = await self._services.imaging.call(
                "GET", path, query={"encoded_query": payload.encoded_query}
            )
        except ServiceFailed as error:
            return failure(str(error), status_code=error.status)
        return success(answer)
