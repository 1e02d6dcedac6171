"""A trust's parts for tests: its hub, its data-access-api in front of the synthetic patients, its agent's settings."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import httpx

from flame_node_agent.config.agent_settings import load_agent
from flame_node_agent.config.data_access import load_data_access
from flame_node_agent.crypto.envelope import PROJECT_ID_CONTEXT, Keyring
from flame_node_agent.devstack.data_access_server import DataAccessServer
from flame_node_agent.devstack.demo.cohort_queries import LARGE, SMALL
from flame_node_agent.devstack.running_hub import RunningHub
from tests.conftest import DataAccessEnvironmentFactory, EnvironmentFactory, HubFactory


def test_agents_get_the_sides_that_are_asked_for(dev_hub: HubFactory, node_env: EnvironmentFactory) -> None:
    hub = dev_hub()
    results = load_agent(node_env(hub), None)
    tasks = load_agent(node_env(hub, sides="tasks"), None)
    both = load_agent(node_env(hub, sides="both", TASKS__PARALLEL="3"), None)
    assert [each.results is not None for each in (results, tasks, both)] == [True, False, True]
    assert [each.tasks is not None for each in (results, tasks, both)] == [False, True, True]
    assert both.tasks is not None
    assert both.tasks.hub_api == hub.urls.api
    assert both.tasks.tasks.parallel == 3
    assert both.tasks.tasks.polls_per_minute == 0


def test_hub_shows_ordered_tasks_and_their_answers(dev_hub: HubFactory) -> None:
    hub = dev_hub(fresh=True)
    query_id = uuid.uuid4()
    task_id = hub.order_task(
        "cohort_query", query="SELECT 1", query_name="one", query_id=str(query_id), project_id="p"
    )
    assert hub.tasks()[task_id]["status"] == "PENDING"
    assert hub.cohort(query_id) is None


def test_hub_has_the_routes_it_is_asked_to_have(dev_hub: HubFactory) -> None:
    hub = dev_hub(task_options=("--task-routes", "named"))
    key = {"Authorization": hub.seed.trust.api_key}
    answer = httpx.get(f"{hub.urls.api}/tasks/{hub.seed.trust.name}/pending", headers=key, trust_env=False)
    assert answer.json() == []


def test_data_access_answers_from_the_synthetic_patients(
    dev_hub: HubFactory,
    data_access: Callable[..., DataAccessServer],
    data_access_env: DataAccessEnvironmentFactory,
) -> None:
    hub = dev_hub()
    assert load_data_access(data_access_env(hub), None).cohort_query_threshold == 10
    server = data_access(hub)
    answers = [_ask(server, hub, question.sql) for question in (LARGE, SMALL)]
    assert [answer["suppressed"] for answer in answers] == [False, True]
    assert answers[0]["record_count"] > 100


def _ask(server: DataAccessServer, hub: RunningHub, query: str) -> dict[str, int]:
    trust = hub.seed.trust
    project = Keyring(trust.aes_key_base64).encrypt(str(uuid.uuid4()), PROJECT_ID_CONTEXT)
    answer = httpx.post(
        f"{server.url}/cohort",
        headers={"X-Trust-Internal-Service-Key": trust.internal_service_key},
        json={
            "encrypted_project_id": project,
            "query_id": str(uuid.uuid4()),
            "query_name": "a query",
            "query": query,
            "trust_id": str(trust.id),
        },
        timeout=60,
        trust_env=False,
    )
    return dict(answer.raise_for_status().json())
