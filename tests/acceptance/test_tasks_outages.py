"""A hub that is away, busy, broken or forgetful: every task is run once, and its result arrives once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from flame_node_agent.devstack.running_hub import RunningHub
from flame_node_agent.devstack.testing import LazyParts
from tests.acceptance.hub_agents import Trust, awaited, serving_trust
from tests.acceptance.task_listening import Reply, Request
from tests.acceptance.task_services import StandIn
from tests.acceptance.task_witness import Witness, watched_trust

QUERY = "SELECT person_id FROM omop.person"
HASTY = {
    "TASKS__POLL_BACKOFF_CAP_SECONDS": "0.5",
    "TASKS__REPORT_BACKOFF_BASE_SECONDS": "0.1",
    "TASKS__REPORT_BACKOFF_CAP_SECONDS": "0.3",
}
OK, CONFLICT = 200, 409
STALE = ("--stale-seconds", "1.5", "--stale-scan-seconds", "0.2")


@pytest.fixture(scope="module")
def stale_hub(parts: LazyParts) -> RunningHub:
    """It hands out again what nobody has reported for a moment."""
    return parts.hub(task_options=STALE)


@pytest.fixture
def services() -> Iterator[StandIn]:
    with StandIn() as services:
        yield services


@pytest.fixture(scope="module")
def hub(parts: LazyParts) -> RunningHub:
    return parts.hub(fresh=True)


@pytest.fixture(scope="module")
def shared_services() -> Iterator[StandIn]:
    with StandIn() as services:
        yield services


@pytest.fixture(scope="module")
def shared(
    parts: LazyParts, tmp_path_factory: pytest.TempPathFactory, hub: RunningHub, shared_services: StandIn
) -> Iterator[tuple[Trust, Witness]]:
    directory = tmp_path_factory.mktemp("agent")
    with watched_trust(parts, directory, hub, shared_services.url, **HASTY) as site:
        yield site


@pytest.fixture(autouse=True)
def _well_again(hub: RunningHub) -> Iterator[None]:
    yield
    hub.clear_faults()


def asked(trust: Trust, number: int) -> dict[str, str]:
    """Let the hub have so many cohort queries: their ids by those of their tasks."""
    query_ids = [str(uuid4()) for _ in range(number)]
    return {trust.ask(QUERY, query_id): query_id for query_id in query_ids}


def assert_once(trust: Trust, witness: Witness, services: StandIn, tasks: dict[str, str]) -> None:
    """Each of the tasks was run once, its cohort has arrived, and the hub has taken one report of it."""
    for task_id, query_id in tasks.items():
        assert trust.closed(task_id)["status"] == "COMPLETED"
        assert trust.hub.cohort(query_id) is not None
    ran = Counter(json.loads(call.body)["query_id"] for call in services.calls)
    assert {query_id: ran[query_id] for query_id in tasks.values()} == dict.fromkeys(tasks.values(), 1)
    for task_id in tasks:
        last = awaited(lambda task_id=task_id: answer_for_good(witness, task_id))
        assert last in {OK, CONFLICT}
        taken = [each for each in witness.reports(task_id) if each.reply and _is_taken(each.reply)]
        assert len(taken) == (
            1 if last == OK else 0
        )  # the answer to the one that was taken may have been lost


def answer_for_good(witness: Witness, task_id: str) -> int | None:
    """The status of the hub's last answer to a report, if the agent has no reason to ask again."""
    reply = reports[-1].reply if (reports := witness.reports(task_id)) else None
    return reply.status if reply and (_is_taken(reply) or reply.status == CONFLICT) else None


def _is_taken(reply: Reply) -> bool:
    return reply.status == OK and reply.content_type == "application/json"


@pytest.mark.parametrize(
    ("match", "fault"),
    [
        ("GET /api/tasks/pending", {"status": 500}),
        ("GET /api/tasks/pending", {"status": 429, "headers": {"Retry-After": "1"}}),
        ("GET /api/tasks/pending", {"status": 502, "html": True}),
        ("POST /api/cohort/results", {"status": 500}),
        ("POST /api/cohort/results", {"status": 502, "html": True}),
        ("POST /api/cohort/results", {"lose_reply": True}),
        ("POST /api/tasks/*", {"status": 429, "headers": {"Retry-After": "1"}}),
        ("POST /api/tasks/*", {"status": 200, "html": True}),
        ("POST /api/tasks/*", {"down": True}),
        ("POST /api/tasks/*", {"lose_reply": True}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_nothing_is_lost_by_a_hub_that_misbehaves(
    shared: tuple[Trust, Witness], shared_services: StandIn, match: str, fault: dict[str, object]
) -> None:
    """Three requests fail, of two tasks."""
    trust, witness = shared
    trust.hub.fault(match=match, count=3, **fault)
    tasks = asked(trust, 2)
    assert_once(trust, witness, shared_services, tasks)
    (state,) = trust.hub.admin.get("/faults").json()
    assert state["hits"] == 3 or "lose_reply" in fault
    assert state["hits"] >= 2


def test_wish_of_the_hub_for_a_pause_is_honoured(
    shared: tuple[Trust, Witness], shared_services: StandIn
) -> None:
    """Although the agent would try again after 0.3 s at most."""
    trust, witness = shared
    trust.hub.fault(match="POST /api/tasks/*", count=1, status=429, headers={"Retry-After": "2"})
    tasks = asked(trust, 1)
    assert_once(trust, witness, shared_services, tasks)
    (task_id,) = tasks
    refused, taken = (each.request.at for each in witness.await_reports(task_id, 2))
    assert taken - refused >= 2


def test_results_arrive_when_the_hub_comes_back_from_an_outage(
    parts: LazyParts, tmp_path: Path, services: StandIn
) -> None:
    """It goes while tasks run, and is away when they are done."""
    hub = parts.hub()
    services.open.clear()
    with watched_trust(parts, tmp_path, hub, services.url, **HASTY) as (trust, witness):
        tasks = asked(trust, 6)
        awaited(lambda: services.in_hand >= 4 or None)
        hub.kill()
        services.open.set()
        awaited(lambda: len(services.calls) == len(tasks) or None)
        awaited(lambda: "report.postponed" in trust.log() or None)
        hub.restart()
        assert_once(trust, witness, services, tasks)


def test_task_that_comes_again_is_answered_from_the_journal(
    parts: LazyParts, tmp_path: Path, stale_hub: RunningHub, services: StandIn
) -> None:
    """The hub has thanked for the report and lost it; half an hour later it hands the task out again."""
    lost: list[str] = []

    def lose_first(request: Request) -> Reply | None:
        if not request.path.endswith("/result") or request.path in lost:
            return None
        lost.append(request.path)
        return Reply(200, b'{"message": "recorded"}')

    with watched_trust(parts, tmp_path, stale_hub, services.url, **HASTY) as (trust, witness):
        witness.before = lose_first
        (task_id,) = tasks = asked(trust, 1)
        task = trust.closed(task_id)
        assert (task["status"], task["retry_count"]) == ("COMPLETED", 1)
        assert len(services.calls) == 1
        assert len(witness.await_reports(task_id, 2)) == 2
        assert trust.hub.cohort(tasks[task_id]) is not None


def test_task_that_is_handed_out_again_while_it_runs_is_run_once(
    parts: LazyParts, tmp_path: Path, stale_hub: RunningHub, services: StandIn
) -> None:
    services.open.clear()
    with watched_trust(parts, tmp_path, stale_hub, services.url, **HASTY) as (trust, witness):
        (task_id,) = asked(trust, 1)
        awaited(lambda: stale_hub.tasks()[task_id]["retry_count"] or None)
        awaited(lambda: stale_hub.tasks()[task_id]["status"] == "IN_PROGRESS" or None)
        services.open.set()
        assert trust.closed(task_id)["status"] == "COMPLETED"
        assert len(services.calls) == 1
        assert len(witness.await_reports(task_id, 1)) == 1


def test_hub_with_rate_limits_never_has_to_refuse(
    parts: LazyParts, tmp_path: Path, services: StandIn
) -> None:
    """200 tasks wait, and all have run long before the hub may be told of them: no call is one too many."""
    hub = parts.hub(task_options=["--hub-rate-limits"])
    for _ in range(200):
        hub.order_task("update_user_profile", email="a@hospital.example", enabled=True)
    settings = {
        "TASKS__POLLS_PER_MINUTE": "28",
        "TASKS__REPORTS_PER_MINUTE": "55",
        "TASKS__PARALLEL_BY_TYPE": "update_user_profile=8",
        "HEARTBEAT_INTERVAL_SECONDS": "10",
        "POLL_INTERVAL_SECONDS": "0.05",
    }
    with watched_trust(parts, tmp_path, hub, services.url, IMAGING_API_URL=services.url, **settings) as (
        _,
        witness,
    ):
        awaited(lambda: len(services.calls) == 200 or None)
        awaited(lambda: len(witness.seen("POST", "/result")) >= 55 or None)
        awaited(lambda: len(witness.seen("GET", "/tasks/pending")) >= 28 or None)
        statuses = Counter(each.status for each in list(witness.passages))
        assert set(statuses) == {200}
        assert len(witness.seen("POST", "/result")) == 55
        assert len(witness.seen("GET", "/tasks/pending")) == 28


def test_outcome_survives_a_crash_before_it_is_reported(
    parts: LazyParts, tmp_path: Path, services: StandIn
) -> None:
    """The agent is killed when the work is done and the hub refuses to listen; the next start only reports."""
    hub = parts.hub()
    hub.fault(match="POST /api/tasks/*", status=503)
    with serving_trust(parts, tmp_path, hub, services.url, **HASTY) as trust:
        (task_id,) = asked(trust, 1)
        awaited(lambda: "report.postponed" in trust.log() or None)
        trust.agent.kill()
        hub.clear_faults()
        trust.agent.start(wait_for_parts=False)
        assert trust.closed(task_id)["status"] == "COMPLETED"
        assert len(services.calls) == 1
