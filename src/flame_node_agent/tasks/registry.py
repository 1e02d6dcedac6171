"""All types of task that this agent does, and who does each."""

from __future__ import annotations

from collections.abc import Mapping

from flame_node_agent.hub.trust_services import TrustServices
from flame_node_agent.tasks.cohort_query import CohortQueryHandler
from flame_node_agent.tasks.create_imaging import CreateImagingHandler
from flame_node_agent.tasks.delete_imaging import DeleteImagingHandler
from flame_node_agent.tasks.get_imaging_status import ImagingStatusHandler
from flame_node_agent.tasks.handling import Handler
from flame_node_agent.tasks.persist_cohort import PersistCohortHandler
from flame_node_agent.tasks.reimport_studies import ReimportStudiesHandler
from flame_node_agent.tasks.update_user_profile import UserProfileHandler


def handlers(services: TrustServices) -> Mapping[str, Handler]:
    """The handler of each type (FLIP trust-api, ``services/task_handlers.py``)."""
    return {
        "cohort_query": CohortQueryHandler(services),
        "create_imaging": CreateImagingHandler(services),
        "delete_imaging": DeleteImagingHandler(services),
        "get_imaging_status": ImagingStatusHandler(services),
        "reimport_studies": ReimportStudiesHandler(services),
        "update_user_profile": UserProfileHandler(services),
        "persist_cohort": PersistCohortHandler(services),
    }
