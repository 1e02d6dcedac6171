"""Tasks on their way from the hub and back to it, whatever goes away or dies meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import httpx
import pytest

from flame_node_agent.devstack.postgres import PostgresAccess
from flame_node_agent.devstack.running_hub import RunningHub
from flame_node_agent.devstack.testing import DatabaseServer, LazyParts
from flame_node_agent.stores.ledger import Ledger
from flame_node_agent.wire.tasks import Outcome
from tests.integration.agent.task_ground import TaskLoops, Work, order, settled, task_loops, until

STALE = ("--stale-seconds", "1", "--stale-scan-seconds", "0.1", "--max-retries", "1000")


@pytest.fixture
def hub(parts: LazyParts) -> Iterator[RunningHub]:
    """A hub of one's own, so that its tasks are too."""
    found = parts.hub(fresh=True)
    yield found
    found.kill()


@pytest.fixture
def hasty_hub(parts: LazyParts) -> Iterator[RunningHub]:
    """A hub that hands a task out again after one second."""
    found = parts.hub(task_options=STALE)
    yield found
    found.kill()


async def test_every_task_is_run_once_and_reported_once(parts: LazyParts, hub: RunningHub) -> None:
    order(hub, 120)
    async with task_loops(parts, hub) as agent, agent.working():
        await until(settled(hub, 120))
        await until_closed(agent, 120)
        assert sorted(agent.work.done.values()) == [1] * 120
        assert {row["close_reason"] for row in await agent.rows("close_reason")} == {"reported"}
        assert {task["result"] for task in hub.tasks().values()} == {'{"answer": 42}'}
        assert (await Ledger(agent.database).verify()).rows == 120


async def until_closed(agent: TaskLoops, count: int) -> None:
    async with asyncio.timeout(30):
        while len([row for row in await agent.rows("state") if row["state"] == "closed"]) < count:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("routes", ["current", "named"])
async def test_both_generations_of_hubs_are_served_without_being_told(parts: LazyParts, routes: str) -> None:
    hub = parts.hub(task_options=("--task-routes", routes))
    order(hub, 3)
    async with task_loops(parts, hub) as agent, agent.working():
        await until(settled(hub, 3))
    hub.kill()


async def test_two_agents_share_the_work(
    parts: LazyParts, hub: RunningHub, postgres_database: Callable[[], PostgresAccess]
) -> None:
    order(hub, 150)
    shared, work = postgres_database(), Work()
    async with (
        task_loops(parts, hub, database=shared, work=work) as one,
        task_loops(parts, hub, database=shared, work=work) as other,
        one.working(),
        other.working(),
    ):
        await until(settled(hub, 150))
        await until_closed(one, 150)
        assert sorted(work.done.values()) == [1] * 150
        assert (await Ledger(one.database).verify()).rows == 150


async def test_tasks_of_a_dead_agent_run_again_after_its_leases(
    parts: LazyParts, hub: RunningHub, postgres_database: Callable[[], PostgresAccess]
) -> None:
    order(hub, 10)
    shared, lease = postgres_database(), {"TASKS__LEASE_SECONDS": "1"}
    async with task_loops(parts, hub, database=shared, **lease) as dying:
        dying.work.gate.clear()
        async with dying.doomed():
            await until(lambda: dying.work.begun == 4)
    async with task_loops(parts, hub, database=shared, **lease) as heir, heir.working():
        await until(settled(hub, 10))
        assert sum(heir.work.done.values()) == 10
        assert sorted(row["runs"] for row in await heir.rows("runs")) == [1] * 6 + [2] * 4


async def test_a_stopped_agent_leaves_nothing_to_wait_for(
    parts: LazyParts, hub: RunningHub, postgres_database: Callable[[], PostgresAccess]
) -> None:
    order(hub, 4)
    shared = postgres_database()
    async with task_loops(parts, hub, database=shared, TASKS__LEASE_SECONDS="600") as leaving:
        leaving.work.gate.clear()
        async with leaving.working():
            await until(lambda: leaving.work.begun == 4)
    async with task_loops(parts, hub, database=shared, TASKS__LEASE_SECONDS="600") as heir, heir.working():
        await until(settled(hub, 4))
        assert {row["runs"] for row in await heir.rows("runs")} == {1}


async def test_a_task_that_the_hub_hands_out_again_is_answered_from_the_journal(
    parts: LazyParts, hasty_hub: RunningHub, postgres_database: Callable[[], PostgresAccess]
) -> None:
    (task,) = order(hasty_hub)
    shared, work = postgres_database(), Work()
    async with (
        task_loops(parts, hasty_hub, database=shared, work=work) as silent,
        silent.working("poller", "runner"),
    ):
        await until(lambda: hasty_hub.tasks()[task]["retry_count"] >= 2)
        assert sum(work.done.values()) == 1
    async with task_loops(parts, hasty_hub, database=shared, work=work) as agent, agent.working():
        await until(settled(hasty_hub, 1))
        assert sum(work.done.values()) == 1


async def test_a_task_that_runs_while_the_hub_hands_it_out_again_is_run_once(
    parts: LazyParts, hasty_hub: RunningHub
) -> None:
    (task,) = order(hasty_hub)
    async with task_loops(parts, hasty_hub) as agent, agent.working():
        agent.work.gate.clear()
        await until(lambda: hasty_hub.tasks()[task]["retry_count"] >= 2)
        agent.work.gate.set()
        await until(settled(hasty_hub, 1))
        assert agent.work.begun == 1


async def test_a_report_whose_answer_was_lost_counts_as_delivered(parts: LazyParts, hub: RunningHub) -> None:
    order(hub)
    hub.fault(match="POST /api/tasks/*/result", lose_reply=True, count=1)
    async with task_loops(parts, hub) as agent, agent.working():
        await until_closed(agent, 1)
        (row,) = await agent.rows("close_reason, reports")
        assert (row["close_reason"], row["reports"]) == ("confirmed", 2)
        assert (await Ledger(agent.database).verify()).rows == 1


async def test_a_poll_whose_answer_was_lost_comes_again_from_the_hub(
    parts: LazyParts, hasty_hub: RunningHub
) -> None:
    order(hasty_hub, 3)
    hasty_hub.fault(match="GET /api/tasks/pending", lose_reply=True, count=1)
    async with task_loops(parts, hasty_hub) as agent, agent.working():
        await until(settled(hasty_hub, 3))
        assert sum(agent.work.done.values()) == 3


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "headers": {"Retry-After": "1"}},
        {"status": 500},
        {"status": 503},
        {"status": 502, "html": True},
        {"status": 200, "html": True},
        {"status": 401},
        {"down": True},
    ],
    ids=str,
)
async def test_every_failure_of_the_hub_that_may_pass_is_outlasted(
    parts: LazyParts, hub: RunningHub, fault: dict[str, object]
) -> None:
    order(hub, 3)
    hub.fault(match="/api/tasks/", count=4, **fault)
    hub.fault(match="POST /api/tasks/*/result", count=4, **fault)
    async with task_loops(parts, hub) as agent, agent.working():
        await until(settled(hub, 3))
        await until_closed(agent, 3)
        assert sorted(agent.work.done.values()) == [1] * 3


async def test_an_outage_of_the_hub_delays_reports_and_loses_none(parts: LazyParts, hub: RunningHub) -> None:
    order(hub, 30)
    async with task_loops(parts, hub) as agent, agent.working():
        agent.work.gate.clear()
        await until(lambda: agent.work.begun == 4)
        await asyncio.to_thread(hub.kill)
        agent.work.gate.set()
        await until(lambda: sum(agent.work.done.values()) == 30)
        await asyncio.to_thread(hub.restart)
        await until(settled(hub, 30))
        assert sorted(agent.work.done.values()) == [1] * 30


async def test_a_restart_of_the_database_loses_no_task_and_runs_none_twice(
    parts: LazyParts, hub: RunningHub, postgres: DatabaseServer
) -> None:
    order(hub, 60)
    async with task_loops(parts, hub) as agent, agent.working():
        agent.work.gate.clear()
        await until(lambda: agent.work.begun == 4)
        await asyncio.to_thread(postgres.kill)
        agent.work.gate.set()
        await until(lambda: sum(agent.work.done.values()) == 4)
        await asyncio.to_thread(postgres.start)
        await until(settled(hub, 60))
        assert sorted(agent.work.done.values()) == [1] * 60


async def test_aggregates_are_at_the_hub_once_the_task_is_reported(parts: LazyParts, hub: RunningHub) -> None:
    query = "0f0e0d0c-0b0a-4908-8706-050403020100"
    ids = {"query_id": query, "trust_id": str(hub.seed.trust.id)}
    report = {**ids, "created": "2026-11-22", "record_count": 40, "data": []}
    hub.order_task("cohort_query", query="SELECT 1", query_name="q", query_id=query, project_id=query)
    hub.fault(match="POST /api/cohort/results", lose_reply=True, count=1)
    hub.fault(match="POST /api/cohort/results", status=503, count=2)
    async with (
        task_loops(parts, hub, work=Work(Outcome(True, cohort_report=report))) as agent,
        agent.working(),
    ):
        await until(settled(hub, 1))
        found = hub.cohort(query)
        assert found is not None
        assert found["record_count"] == 40
        await until_closed(agent, 1)
        kinds = [row["kind"] for row in await agent.rows("kind", "egress_ledger")]
        assert sorted(kinds) == ["cohort_result", "task_result"]
        assert (await agent.rows("cohort_report"))[0]["cohort_report"] is None


async def test_aggregates_that_the_hub_refuses_are_a_failure_of_the_task(
    parts: LazyParts, hub: RunningHub
) -> None:
    order(hub)
    stranger = {"query_id": "no uuid", "trust_id": "no uuid", "record_count": 1, "data": []}
    async with (
        task_loops(parts, hub, work=Work(Outcome(True, cohort_report=stranger))) as agent,
        agent.working(),
    ):
        await until(settled(hub, 1, "FAILED"))
        (task,) = hub.tasks().values()
        assert '"error": "422: ' in task["result"]


def test_the_hub_tells_unknown_tasks_from_unknown_routes(hub: RunningHub) -> None:
    answer = httpx.get(f"{hub.urls.api}/no/such/route", trust_env=False)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
