"""``create_imaging``: imaging-api makes a project with its users and fetches its studies."""

from __future__ import annotations

from flame_node_agent.hub.trust_services import TrustServices
from flame_node_agent.tasks.handling import PayloadHandler
from flame_node_agent.tasks.outcomes import success
from flame_node_agent.wire.task_payloads import CreateImaging
from flame_node_agent.wire.tasks import Outcome


class CreateImagingHandler(PayloadHandler[CreateImaging]):
    """Reports what was made: ``ID``, ``name``, ``created_users``, ``added_users``."""

    payload = CreateImaging

    def __init__(self, services: TrustServices) -> None:
        self._services = services

    async def handle(self, payload: CreateImaging) -> Outcome:
        """Hand the payload on as it is; that the same project is not made twice is imaging-api's to see."""
        return success(
            await self._services.imaging.call(
                "POST",
                "/projects/create-project-from-central-hub-project",
                body=payload.model_dump(mode="json"),
            )
        )
