"""The handlers of cohort tasks against the routes of this project's own data-access-api."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import httpx
import pytest

from flame_node_agent.cohort.answer import SUPPRESSED, CohortAnswer
from flame_node_agent.cohort.app import create_app
from flame_node_agent.cohort.guard import guard
from flame_node_agent.cohort.policy import Policy
from flame_node_agent.cohort.ports import CohortDependencies
from flame_node_agent.cohort.snapshots import Snapshot, query_hash
from flame_node_agent.config.data_access import load_data_access
from flame_node_agent.crypto.envelope import PROJECT_ID_CONTEXT, Keyring
from flame_node_agent.tasks.perform import Tasks
from flame_node_agent.wire.data_access import Bucket, Statistic
from flame_node_agent.wire.tasks import Outcome
from tests.unit.tasks.conftest import DATA_ACCESS, INTERNAL_KEY, KEY_TEXT, said, sealed
from tests.unit.tasks.payloads import COHORT_QUERY, PERSIST_COHORT, PROJECT, SQL

ENVIRONMENT = {
    "AES_KEY_BASE64": KEY_TEXT,
    "TRUST_INTERNAL_SERVICE_KEY": INTERNAL_KEY,
    "DATA_ACCESS_POSTGRES_USER": "data_analyst_reader",
    "DATA_ACCESS_POSTGRES_PASSWORD": "reader-secret-4711",
    "OMOP_POSTGRES_DB": "omop",
    "POSTGRES__HOST": "localhost",
    "POSTGRES__USER": "flame",
    "POSTGRES__PASSWORD": "database-secret-4711",
    "POSTGRES__DB": "flame",
}
STATISTIC = Statistic(name="Counts", results=[Bucket(value="person\nid", count=120)])


class Statistics:
    """Gives the answer that a test has put into it."""

    answered = CohortAnswer(120, (STATISTIC,), suppressed=False)

    async def answer(self, project_id: UUID, query: Any, threshold: int) -> CohortAnswer:
        assert project_id == UUID(PROJECT)
        return self.answered


FROZEN = Snapshot(
    project_id=UUID(PROJECT),
    query=SQL,
    query_hash=query_hash(SQL),
    row_count=120,
    subject_count=120,
    columns=("person_id",),
    frozen_at=datetime(2026, 1, 1, tzinfo=UTC),
)


@pytest.fixture
def statistics() -> Statistics:
    return Statistics()


@pytest.fixture
def service(mocked, statistics) -> dict[str, str]:
    """The real routes where the handlers look for them; what is returned are their settings."""
    variables = dict(ENVIRONMENT)
    snapshots = Mock(find=AsyncMock(return_value=FROZEN))

    async def answer(request: httpx.Request) -> httpx.Response:
        keyring = Keyring(variables["AES_KEY_BASE64"])
        deps = CohortDependencies(guard, Mock(), statistics, snapshots, keyring, Policy(10))
        app = create_app(deps, load_data_access(variables, env_file=None))
        answered = await httpx.ASGITransport(app).handle_async_request(request)
        return httpx.Response(answered.status_code, content=await answered.aread())

    mocked.route(url__startswith=DATA_ACCESS).mock(side_effect=answer)
    return variables


async def perform(tasks: Tasks, task_type: str, payload: dict[str, Any], **fields: str) -> Outcome:
    project = Keyring(KEY_TEXT).encrypt(PROJECT, PROJECT_ID_CONTEXT)
    wire = sealed(task_type, payload | {"encrypted_project_id": project} | fields)
    return await tasks.perform(task_type, wire)


async def test_aggregates_become_the_report(service, tasks) -> None:
    outcome = await perform(tasks, "cohort_query", COHORT_QUERY)
    assert outcome.success
    assert outcome.result is None
    assert outcome.cohort_report == {
        "query_id": COHORT_QUERY["query_id"],
        "trust_id": COHORT_QUERY["trust_id"],
        "record_count": 120,
        "created": datetime.now(UTC).date().isoformat(),
        "data": [STATISTIC.model_dump()],
        "suppressed": False,
    }


async def test_suppressed_answer_is_a_success(service, tasks, statistics) -> None:
    statistics.answered = SUPPRESSED
    outcome = await perform(tasks, "cohort_query", COHORT_QUERY)
    assert outcome.success
    assert outcome.cohort_report is not None
    assert outcome.cohort_report["suppressed"]
    assert outcome.cohort_report["record_count"] == 0


async def test_refused_query_is_told_in_the_services_words(service, tasks) -> None:
    outcome = await perform(tasks, "cohort_query", COHORT_QUERY, query="DELETE FROM omop.person")
    error = "400: Only SELECT statements are allowed."
    assert said(outcome) == {"error": error}
    assert outcome.cohort_report is not None
    assert outcome.cohort_report["error"] == error


async def test_project_of_another_key_is_refused(service, tasks) -> None:
    foreign = Keyring(KEY_TEXT).encrypt(PROJECT, "task:cohort_query")
    outcome = await perform(tasks, "cohort_query", COHORT_QUERY, encrypted_project_id=foreign)
    assert said(outcome) == {"error": "400: encrypted_project_id failed authentication"}


async def test_endless_project_is_refused_without_being_repeated(service, tasks) -> None:
    outcome = await perform(tasks, "cohort_query", COHORT_QUERY, encrypted_project_id="x" * 20_000)
    assert said(outcome)["error"].startswith("422: body.encrypted_project_id: ")
    assert "xxx" not in said(outcome)["error"]


async def test_services_with_different_internal_keys_do_not_talk(service, tasks) -> None:
    service["TRUST_INTERNAL_SERVICE_KEY"] = "another"
    outcome = await perform(tasks, "cohort_query", COHORT_QUERY)
    assert said(outcome) == {"error": "401: Invalid trust-internal service key."}


async def test_snapshot_is_made_with_the_admin_key(service, tasks) -> None:
    outcome = await perform(tasks, "persist_cohort", PERSIST_COHORT)
    assert said(outcome)["row_count"] == 120
    assert said(outcome)["query_hash"] == query_hash(SQL)


async def test_snapshot_is_refused_to_an_agent_with_another_key(service, tasks) -> None:
    service["AES_KEY_BASE64"] = "A" * 43 + "="
    outcome = await perform(tasks, "persist_cohort", PERSIST_COHORT)
    assert said(outcome) == {"error": "403: Not authorised to define the cohort snapshot."}
