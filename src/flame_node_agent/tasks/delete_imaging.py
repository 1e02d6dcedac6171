"""``delete_imaging``: imaging-api removes a project."""

from __future__ import annotations

from flame_node_agent.hub.trust_services import TrustServices
from flame_node_agent.tasks.handling import PayloadHandler
from flame_node_agent.tasks.outcomes import success
from flame_node_agent.wire.task_payloads import DeleteImaging
from flame_node_agent.wire.tasks import Outcome


class DeleteImagingHandler(PayloadHandler[DeleteImaging]):
    """Reports what imaging-api says, if it says anything."""

    payload = DeleteImaging

    def __init__(self, services: TrustServices) -> None:
        self._services = services

    async def handle(self, payload: DeleteImaging) -> Outcome:
        """The project stands in the path."""
        path = f"/projects/{payload.imaging_project_id}"
        return success(await self._services.imaging.call("DELETE", path))
