"""``update_user_profile``: imaging-api switches a user on or off."""

from __future__ import annotations

from flame_node_agent.hub.trust_services import TrustServices
from flame_node_agent.tasks.handling import PayloadHandler
from flame_node_agent.tasks.outcomes import success
from flame_node_agent.wire.task_payloads import UserProfile
from flame_node_agent.wire.tasks import Outcome


class UserProfileHandler(PayloadHandler[UserProfile]):
    """Reports nothing but that it was done."""

    payload = UserProfile

    def __init__(self, services: TrustServices) -> None:
        self._services = services

    async def handle(self, payload: UserProfile) -> Outcome:
        """Hand the payload on."""
        await self._services.imaging.call("PUT", "/users", body=payload.model_dump())
        return success()
