"""`flame-node dev`, the trust's side: an older hub with rate limits, few patients, and settings of the environment."""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.integration.devstack.dev_command import DevCommand, running, wait_for

OPTIONS = ("--hub-task-routes", "named", "--hub-rate-limits", "--omop-persons", "500")
SETTINGS = {"COHORT_QUERY_THRESHOLD": "400", "POLL_INTERVAL_SECONDS": "2.5"}


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        command = DevCommand(tmp_path_factory.mktemp("dev"), *OPTIONS)
    try:
        yield command.ready()
    finally:
        command.end()


def test_a_query_at_the_hub_is_answered_as_the_settings_of_the_environment_say(ready: dict[str, Any]) -> None:
    """COHORT_QUERY_THRESHOLD is handed on to data-access-api, POLL_INTERVAL_SECONDS to the agent."""
    trust = ready["task_hub"]["trust_id"]
    everybody = asked(ready, "SELECT person_id FROM omop.person")
    fewer = asked(ready, "SELECT person_id FROM omop.person WHERE person_id <= 300")
    assert (everybody["trust_record_counts"], everybody["trust_suppressed"]) == ({trust: 500}, [])
    assert (fewer["trust_record_counts"], fewer["trust_suppressed"]) == ({trust: 0}, [trust])


def test_the_trust_is_online_at_its_hub(ready: dict[str, Any]) -> None:
    def online() -> bool:
        (trust,) = httpx.get(f"{ready['task_hub']['api_url']}/trust/health", trust_env=False).json()
        assert (trust["trust_id"], trust["trust_name"]) == (
            ready["task_hub"]["trust_id"],
            ready["task_hub"]["trust_name"],
        )
        return bool(trust["online"])

    wait_for(online, 30)


def test_the_patients_are_open_to_a_look_by_owner_and_reader(ready: dict[str, Any]) -> None:
    for dsn in ready["omop"].values():
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT count(*) FROM omop.person").fetchone() == (500,)
    with (
        psycopg.connect(ready["omop"]["reader_dsn"]) as reader,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        reader.execute("SET TRANSACTION READ WRITE; DELETE FROM omop.person")


def test_the_reader_may_not_enter_the_agents_database(ready: dict[str, Any]) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(ready["omop"]["reader_dsn"].rpartition("/")[0] + "/flame")


def test_the_hub_has_the_routes_and_limits_that_were_asked_for(ready: dict[str, Any]) -> None:
    """Comes late: afterwards the agent, too, has to wait until the minute is over."""
    assert set(polls_by_name(ready["task_hub"], times=31)) == {200, 429}


def test_ctrl_c_does_not_wait_for_a_million_patients(tmp_path: Path) -> None:
    command = DevCommand(tmp_path, "--omop-persons", "3000000")
    wait_for(lambda: "synthetic OMOP database" in command.output, 60)
    family = command.family()
    began = time.monotonic()
    assert command.end(signal.SIGINT) == 0
    assert time.monotonic() - began < 15  # loading them takes longer, on any machine
    wait_for(lambda: running(family) == [])


def asked(ready: dict[str, Any], query: str) -> dict[str, Any]:
    """Let the hub ask; what it knows when the task is done."""
    query_id = str(uuid.uuid4())
    payload = {"query": query, "query_name": "q", "query_id": query_id, "project_id": str(uuid.uuid4())}
    with httpx.Client(base_url=ready["hub"]["admin_url"], trust_env=False) as hub:
        order = {"task_type": "cohort_query", "payload": payload}
        task_id = hub.post("/tasks", json=order).raise_for_status().json()["id"]

        def done() -> bool:
            tasks = {task["id"]: task for task in hub.get("/tasks").raise_for_status().json()}
            return bool(tasks[task_id]["status"] == "COMPLETED")

        wait_for(done, 90)
        return dict(hub.get(f"/cohort/{query_id}").raise_for_status().json())


def polls_by_name(hub: dict[str, str], *, times: int) -> list[int]:
    """The statuses of so many polls on the routes of older hubs."""
    with httpx.Client(headers={"Authorization": hub["trust_api_key"]}, trust_env=False) as trust:
        url = f"{hub['api_url']}/tasks/{hub['trust_name']}/pending"
        return [trust.get(url).status_code for _ in range(times)]
