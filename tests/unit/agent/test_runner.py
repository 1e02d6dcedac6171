"""Running tasks: how many at once, for how long, and what is handed back at the end."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from flame_node_agent.agent import runner as module
from flame_node_agent.agent.runner import MOST_RUNS, Runner
from flame_node_agent.agent.task_leases import TaskLeases
from flame_node_agent.wire.tasks import Outcome
from tests.unit.agent.task_doubles import JournalDouble, task, until
from tests.unit.hub.flip_hub import task_settings


class Tasks:
    """Does what each type of task is named for."""

    def __init__(self) -> None:
        self.running = Counter[str]()
        self.most = Counter[str]()
        self.begun: list[str] = []
        self.cancelled: list[str] = []
        self.gate = asyncio.Event()

    async def perform(self, task_type: str, payload_wire: str) -> Outcome:
        self.begun.append(task_type)
        self.running[task_type] += 1
        self.running["all"] += 1
        for name in (task_type, "all"):
            self.most[name] = max(self.most[name], self.running[name])
        try:
            if task_type.startswith(("slow", "get_imaging_status")):
                await self.gate.wait()
            if task_type == "defect":
                raise RuntimeError("patient data")
            return Outcome(True, payload_wire)
        except asyncio.CancelledError:
            self.cancelled.append(task_type)
            raise
        finally:
            self.running[task_type] -= 1
            self.running["all"] -= 1

    def timed_out(self, task_type: str, payload_wire: str, seconds: float) -> Outcome:
        return Outcome(False, f"{task_type} {payload_wire} took more than {seconds:g} s")


class Ground:
    """A runner with a journal in memory."""

    def __init__(self, **variables: str) -> None:
        self.journal = JournalDouble()
        self.tasks = Tasks()
        self.leases = TaskLeases(self.journal, lease_seconds=60)
        self.done = 0
        self.runner = Runner(
            self.journal, self.tasks, self.leases, task_settings(**variables), on_done=self._on_done
        )

    def _on_done(self) -> None:
        self.done += 1

    async def give(self, *types: str) -> None:
        await self.journal.receive([task(each) for each in types])
        self.runner.nudge()

    def outcomes(self) -> list[Outcome]:
        return list(self.journal.finished.values())

    @asynccontextmanager
    async def running(self, grace: float = 1) -> AsyncIterator[None]:
        loop = asyncio.create_task(self.runner.run())
        try:
            yield
        finally:
            await self.runner.stop(grace)
            await asyncio.wait_for(loop, 5)


async def test_a_nudge_is_enough_to_run_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 600)
    ground = Ground()
    async with ground.running():
        await asyncio.sleep(0.02)
        await ground.give("any")
        await until(lambda: ground.done == 1)
    assert ground.outcomes() == [Outcome(True, "sealed")]


async def test_what_others_have_fetched_is_found_without_a_nudge() -> None:
    ground = Ground()
    async with ground.running():
        await asyncio.sleep(0.02)
        await ground.journal.receive([task()])
        await until(lambda: ground.done == 1)


async def test_only_so_many_run_at_once() -> None:
    ground = Ground(TASKS__PARALLEL="3")
    await ground.give(*(f"slow {n}" for n in range(10)))
    async with ground.running():
        await until(lambda: len(ground.tasks.begun) == 3)
        await asyncio.sleep(0.02)
        assert len(ground.tasks.begun) == 3
        ground.tasks.gate.set()
        await until(lambda: ground.done == 10)
    assert ground.tasks.most["all"] == 3


async def test_a_slow_type_takes_half_of_the_places_and_others_run_on() -> None:
    ground = Ground(TASKS__PARALLEL="8")
    await ground.give(*["slow"] * 20, *["quick"] * 30)
    async with ground.running():
        await until(lambda: ground.done == 30)
        assert ground.tasks.most["slow"] == 4
        assert ground.tasks.begun.count("slow") == 4
        ground.tasks.gate.set()
        await until(lambda: ground.done == 50)


async def test_a_type_has_the_limit_that_the_setting_names() -> None:
    ground = Ground(TASKS__PARALLEL_BY_TYPE="get_imaging_status=2,update_user_profile=3")
    await ground.give(*["get_imaging_status"] * 9)
    async with ground.running():
        await until(lambda: len(ground.tasks.begun) == 2)
        ground.tasks.gate.set()
        await until(lambda: ground.done == 9)
    assert ground.tasks.most["get_imaging_status"] == 2
    assert ground.journal.claims[0][1]["update_user_profile"] == 3
    assert ground.journal.ordered[0] == [], "several at once is what was asked for"


async def test_changes_of_users_do_not_overtake_each_other() -> None:
    ground = Ground()
    await ground.give(*["update_user_profile"] * 5)
    async with ground.running():
        await until(lambda: ground.done == 5)
    assert ground.tasks.most["update_user_profile"] == 1
    assert ground.journal.ordered[0] == ["update_user_profile"]


@pytest.mark.parametrize(
    ("task_type", "seconds"), [("slow", 0.05), ("get_imaging_status", 0.02), ("cohort_query", 300)]
)
async def test_each_type_has_its_time(task_type: str, seconds: float) -> None:
    ground = Ground(TASKS__TIMEOUT_SECONDS="0.05", TASKS__TIMEOUT_BY_TYPE="get_imaging_status=0.02")
    await ground.give(task_type)
    async with ground.running():
        await until(lambda: ground.done == 1)
    if seconds < 1:
        expected = Outcome(False, f"{task_type} sealed took more than {seconds:g} s")
        assert ground.outcomes() == [expected]
        assert ground.tasks.cancelled == [task_type]
    else:
        assert ground.outcomes() == [Outcome(True, "sealed")]


async def test_a_defect_leaves_its_task_to_the_lease_and_the_others_run() -> None:
    ground = Ground()
    await ground.give("defect", "any")
    async with ground.running():
        await until(lambda: ground.done == 1)
    assert ground.outcomes() == [Outcome(True, "sealed")]
    assert [run.task_type for run in ground.journal.running.values()] == ["defect"]


async def test_a_task_that_interrupts_everything_is_given_up() -> None:
    ground = Ground()
    await ground.give("any")
    ground.journal.waiting = [replace(ground.journal.waiting[0], runs=MOST_RUNS + 1)]
    async with ground.running():
        await until(lambda: ground.done == 1)
    assert ground.tasks.begun == []
    (outcome,) = ground.outcomes()
    assert json.loads(outcome.result or "") == {"error": f"Given up: interrupted {MOST_RUNS} times"}


async def test_what_is_done_is_not_done_again_when_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FINISH_PAUSE_SECONDS", 0.01)
    ground = Ground()
    await ground.give("slow")
    async with ground.running():
        await until(lambda: len(ground.tasks.begun) == 1)
        ground.journal.away = True
        await ground.leases.renew()
        ground.tasks.gate.set()
        await asyncio.sleep(0.1)
        assert ground.done == 0
        ground.journal.away = False
        await until(lambda: ground.done == 1)
    assert ground.tasks.begun == ["slow"]
    assert ground.tasks.cancelled == []


async def test_a_database_that_is_away_does_not_end_running() -> None:
    ground = Ground()
    ground.journal.away = True
    async with ground.running():
        await asyncio.sleep(0.05)
        ground.journal.away = False
        await ground.give("any")
        await until(lambda: ground.done == 1)


async def test_a_task_that_another_agent_has_taken_over_is_stopped() -> None:
    ground = Ground()
    await ground.give("slow", "slow")
    async with ground.running():
        await until(lambda: len(ground.tasks.begun) == 2)
        taken = next(iter(ground.journal.running.values()))
        ground.journal.lost.add(taken.lease_token)
        await ground.leases.renew()
        await until(lambda: ground.tasks.cancelled == ["slow"])
        ground.tasks.gate.set()
        await until(lambda: ground.done == 1)
    assert taken.task_id not in ground.journal.finished


async def test_what_can_be_finished_within_the_grace_period_is_finished() -> None:
    ground = Ground()
    await ground.give("slow")
    loop = asyncio.create_task(ground.runner.run())
    await until(lambda: len(ground.tasks.begun) == 1)
    stopping = asyncio.create_task(ground.runner.stop(5))
    await asyncio.sleep(0.01)
    ground.tasks.gate.set()
    await stopping
    await asyncio.wait_for(loop, 5)
    assert ground.done == 1
    assert ground.journal.handed_back == []


async def test_the_rest_is_handed_back_and_nothing_new_begins() -> None:
    ground = Ground(TASKS__PARALLEL="2")
    await ground.give("slow 1", "slow 2", "any")
    async with ground.running(grace=0.01):
        await until(lambda: len(ground.tasks.begun) == 2)
        held = set(ground.journal.running)
    assert set(ground.journal.handed_back) == held
    assert ground.tasks.begun == ["slow 1", "slow 2"]
    assert ground.done == 0


async def test_nothing_that_is_in_hand_is_claimed_again_though_its_lease_has_lapsed() -> None:
    ground = Ground()
    await ground.give("slow")
    async with ground.running():
        await until(lambda: len(ground.tasks.begun) == 1)
        ground.runner.nudge()
        await until(lambda: ground.journal.held[-1] == list(ground.journal.running))
        ground.tasks.gate.set()
        await until(lambda: ground.done == 1)
