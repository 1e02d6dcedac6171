"""``persist_cohort``: data-access-api freezes the cohort of an approved project."""

from __future__ import annotations

from flame_node_agent.hub.trust_services import TrustServices
from flame_node_agent.tasks.handling import PayloadHandler
from flame_node_agent.tasks.outcomes import success
from flame_node_agent.wire.task_payloads import PersistCohort
from flame_node_agent.wire.tasks import Outcome


class PersistCohortHandler(PayloadHandler[PersistCohort]):
    """Asks for the snapshot and reports the facts about it. Asked again, the service tells those of the first time."""

    payload = PersistCohort

    def __init__(self, services: TrustServices) -> None:
        self._services = services

    async def handle(self, payload: PersistCohort) -> Outcome:
        """Only the sealed project and the query go on: the service must believe nothing that is not sealed."""
        return success(
            await self._services.data_access.call(
                "POST",
                "/cohort/snapshot",
                body=payload.model_dump(include={"encrypted_project_id", "query"}),
                headers=self._services.cohort_admin_headers,
            )
        )
