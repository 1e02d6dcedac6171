"""``reimport_studies``: imaging-api fetches those studies of a project again that are missing."""

from __future__ import annotations

from flame_node_agent.hub.trust_services import TrustServices
from flame_node_agent.tasks.handling import PayloadHandler
from flame_node_agent.tasks.outcomes import success
from flame_node_agent.wire.task_payloads import ImagingStatus
from flame_node_agent.wire.tasks import Outcome


class ReimportStudiesHandler(PayloadHandler[ImagingStatus]):
    """Reports nothing but that it was done."""

    payload = ImagingStatus

    def __init__(self, services: TrustServices) -> None:
        self._services = services

    async def handle(self, payload: ImagingStatus) -> Outcome:
        """Ask for it; the fetching itself goes on in imaging-api."""
        path = f"/retrieval/reimport_imaging_project_studies/{payload.imaging_project_id}"
        await self._services.imaging.call("PUT", path, query={"encoded_query": payload.encoded_query})
        return success()
