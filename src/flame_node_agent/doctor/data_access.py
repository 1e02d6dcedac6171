"""data-access-api, as the agent's tasks need it."""

from __future__ import annotations

from flame_node_agent.doctor.findings import Finding, failed, ok, skipped
from flame_node_agent.doctor.ground import Ground
from flame_node_agent.doctor.hub import NO_TASK_SIDE
from flame_node_agent.errors import ServiceFailed
from flame_node_agent.hub.answers import UNAUTHORIZED, one_line
from flame_node_agent.hub.trust_services import TrustServices

REFUSED_AS_EMPTY = frozenset({400, 422})


async def check_data_access(ground: Ground) -> Finding:
    """Whether data-access-api answers, and takes this trust's internal key. It is asked an empty question."""
    if ground.tasks is None:
        return skipped(NO_TASK_SIDE)
    url = str(ground.tasks.data_access_api_url)
    if ground.tasks.trust_internal_service_key is None:
        return failed("TRUST_INTERNAL_SERVICE_KEY is not set", "give all services of the trust the same one")
    services = TrustServices.open(ground.tasks)
    try:
        health = await services.data_access.look("/health")
        if not health.succeeded:
            return failed(f"{url} answers {health.status}", "check DATA_ACCESS_API_URL, and look at its log")
        await services.data_access.call("POST", "/cohort", body={})
    except ServiceFailed as refusal:
        return _told(url, refusal)
    finally:
        await services.aclose()
    return failed(f"{url} answers an empty question", "check DATA_ACCESS_API_URL: this is no data-access-api")


def _told(url: str, refusal: ServiceFailed) -> Finding:
    """An empty question gets as far as the check of its fields with the right key, and no further than 401 without."""
    if refusal.status in REFUSED_AS_EMPTY:
        return ok(f"{url} accepts the internal key")
    if refusal.status == UNAUTHORIZED:
        return failed(
            f"data-access-api: {one_line(refusal.detail)}",
            "give agent and data-access-api the same TRUST_INTERNAL_SERVICE_KEY and header, and restart both",
        )
    return failed(
        f"{url}: {one_line(refusal.detail)}", "check DATA_ACCESS_API_URL, and whether data-access-api runs"
    )
