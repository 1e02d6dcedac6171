"""Agents that end, begin and share: each task is run by one at a time, and reported once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from flame_node_agent.devstack.testing import LazyParts
from tests.acceptance.hub_agents import awaited
from tests.acceptance.task_services import StandIn
from tests.acceptance.task_witness import Witness, watched_trust

QUERY = "SELECT person_id FROM omop.person"


@pytest.fixture
def services() -> Iterator[StandIn]:
    with StandIn() as services:
        yield services
        services.open.set()


def test_query_of_an_agent_that_is_told_to_stop_is_run_by_the_next(
    parts: LazyParts, tmp_path: Path, services: StandIn
) -> None:
    """It is handed back at once: the next agent need not wait for the lease, which is a minute here."""
    hub, database = parts.hub(), parts.new_database()
    settings = {**database.variables(), "TASKS__LEASE_SECONDS": "120", "SHUTDOWN_GRACE_SECONDS": "2.5"}
    services.open.clear()
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with watched_trust(parts, first, hub, services.url, **settings) as (trust, witness):
        task_id = trust.ask(QUERY, str(uuid4()))
        awaited(lambda: services.in_hand or None)
        trust.agent.stop()
        assert trust.agent.child.exit_code == 0
        assert "task.handed_back" in trust.log()
        assert witness.reports(task_id) == []
    assert hub.tasks()[task_id]["status"] == "IN_PROGRESS"
    services.open.set()
    with watched_trust(parts, second, hub, services.url, **settings) as (trust, witness):
        assert trust.closed(task_id)["status"] == "COMPLETED"
        assert len(services.calls) == 2
        assert len(witness.await_reports(task_id, 1)) == 1


def test_query_that_ends_in_time_is_reported_by_the_agent_that_stops(
    parts: LazyParts, tmp_path: Path, services: StandIn
) -> None:
    hub = parts.hub()
    services.open.clear()
    with watched_trust(parts, tmp_path, hub, services.url, SHUTDOWN_GRACE_SECONDS="30") as (trust, witness):
        task_id = trust.ask(QUERY, str(uuid4()))
        awaited(lambda: services.in_hand or None)
        os.kill(trust.agent.child.pid, signal.SIGTERM)
        awaited(lambda: "agent.stopping" in trust.log() or None)
        services.open.set()
        awaited(lambda: trust.agent.child.alive is False or None)
        assert hub.tasks()[task_id]["status"] == "COMPLETED"
        assert len(services.calls) == len(witness.reports(task_id)) == 1


def test_two_agents_on_one_journal_share_the_work(
    parts: LazyParts, tmp_path: Path, services: StandIn
) -> None:
    """Each may run two tasks at once: four that run together take both. No task is run or reported twice."""
    hub, database = parts.hub(), parts.new_database()
    settings = {**database.variables(), "TASKS__PARALLEL": "2", "TASKS__PARALLEL_BY_TYPE": "cohort_query=2"}
    services.open.clear()
    with ExitStack() as stack:
        pairs = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            pairs.append(
                stack.enter_context(watched_trust(parts, tmp_path / name, hub, services.url, **settings))
            )
        trust = pairs[0][0]
        tasks = [trust.ask(QUERY, str(uuid4())) for _ in range(20)]
        awaited(lambda: services.in_hand == 4 or None)
        services.open.set()
        assert {trust.closed(task_id)["status"] for task_id in tasks} == {"COMPLETED"}
        assert len(services.calls) == len(tasks)
        reports = awaited(
            lambda: found if len(found := reported(*(one for _, one in pairs))) >= len(tasks) else None
        )
        assert sorted(reports) == sorted(tasks)


def reported(*witnesses: Witness) -> list[str]:
    """The task of each report."""
    reports = [each for witness in witnesses for each in witness.seen("POST", "/result")]
    return [each.request.path.split("/")[-2] for each in reports if "/tasks/" in each.request.path]
