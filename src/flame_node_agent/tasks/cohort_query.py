"""``cohort_query``: aggregates for the hub from data-access-api."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from flame_node_agent.errors import ServiceFailed
from flame_node_agent.hub.trust_services import TrustServices
from flame_node_agent.tasks.handling import PayloadHandler
from flame_node_agent.tasks.outcomes import failure
from flame_node_agent.wire.task_payloads import CohortQuery
from flame_node_agent.wire.tasks import Outcome


class CohortQueryHandler(PayloadHandler[CohortQuery]):
    """Asks data-access-api; what it answers is reported to the hub before the task itself is."""

    payload = CohortQuery

    def __init__(self, services: TrustServices) -> None:
        self._services = services

    async def handle(self, payload: CohortQuery) -> Outcome:
        """Also a failure is reported to the hub's cohort results, where the researcher waits for it."""
        try:
            answer = await self._ask(payload)
        except ServiceFailed as error:
            return failure(str(error), cohort_report=error_report(payload, str(error)))
        return Outcome(success=True, cohort_report=with_text_values(answer))

    async def _ask(self, payload: CohortQuery) -> dict[str, Any]:
        answer = await self._services.data_access.call("POST", "/cohort", body=payload.model_dump())
        if not isinstance(answer, dict):
            raise ServiceFailed(502, "External API returned unexpected JSON")
        return answer

    def timed_out(self, payload: Any, seconds: float) -> Outcome:
        """The hub knows this error of data-access-api by name."""
        error = "504: query_timeout"
        try:
            return failure(error, cohort_report=error_report(CohortQuery.model_validate(payload), error))
        except ValidationError:
            return failure(error)


def error_report(payload: CohortQuery, error: str) -> dict[str, Any] | None:
    """What the hub's ``POST /cohort/results`` takes for a query that has failed; None without its ids."""
    if not payload.query_id or not payload.trust_id:
        return None
    return {
        "query_id": payload.query_id,
        "trust_id": payload.trust_id,
        "created": datetime.now(UTC).date().isoformat(),
        "record_count": 0,
        "data": [],
        "error": error,
    }


def with_text_values(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Turn each ``data[].results[].value`` into text, which is all that the hub takes, and change nothing else."""
    data = answer.get("data")
    return {**answer, "data": [_group(group) for group in data]} if isinstance(data, list) else dict(answer)


def _group(group: Any) -> Any:
    match group:
        case {"results": list(results)}:
            return {**group, "results": [_entry(entry) for entry in results]}
        case _:
            return group


def _entry(entry: Any) -> Any:
    return {**entry, "value": str(entry["value"])} if isinstance(entry, dict) and "value" in entry else entry
