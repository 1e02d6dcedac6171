"""The second half of the journal: reports, what the hub has said to them, and the account of what has left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from uuid import uuid4

import pytest

from flame_node_agent.devstack.postgres import PostgresAccess
from flame_node_agent.errors import LeaseLost
from flame_node_agent.stores.journal_rows import CloseReason, Report, TaskState
from flame_node_agent.stores.ledger import Ledger
from flame_node_agent.wire.tasks import Outcome
from tests.integration.stores.journal_ground import ALL, Journals, departure, open_journals, task

COHORT = {"query_id": "1", "record_count": 12}


@pytest.fixture
async def ours(postgres_database: Callable[[], PostgresAccess]) -> AsyncIterator[Journals]:
    async with open_journals(postgres_database()) as journals:
        yield journals


async def done(ours: Journals, count: int = 1, outcome: Outcome | None = None) -> list[Report]:
    await ours.journal.receive([task() for _ in range(count)])
    for run in await ours.claim():
        await ours.journal.finish(run, outcome or Outcome(True, "{}"))
    return await ours.reports.claim(ALL)


async def kinds(ours: Journals) -> list[str]:
    return [row.departure.kind async for row in Ledger(ours.database).rows()]


async def test_many_answers_are_noted_at_once_each_with_its_row_in_the_ledger(ours: Journals) -> None:
    reports = await done(ours, 150)
    await asyncio.gather(
        *(ours.reports.close(report, CloseReason.REPORTED, departure(report)) for report in reports)
    )
    assert set((await ours.states()).values()) == {"closed"}
    assert (await Ledger(ours.database).verify()).rows == 150


async def test_an_agent_that_lost_its_lease_notes_nothing(ours: Journals) -> None:
    (sleeper,) = await done(ours)
    await ours.lapse()
    (other,) = await ours.reports.claim(1)
    with pytest.raises(LeaseLost):
        await ours.reports.close(sleeper, CloseReason.REPORTED, departure(sleeper))
    with pytest.raises(LeaseLost):
        await ours.reports.settle_cohort(sleeper, Outcome(False), departure(sleeper))
    await ours.reports.postpone(sleeper, seconds=300, reason="no")
    await ours.reports.hand_back(sleeper, begun=True)
    assert await kinds(ours) == []
    assert await ours.journal.renew([other.lease_token]) == {other.lease_token}


async def test_one_lost_lease_in_a_group_enters_no_departure_of_its_own(ours: Journals) -> None:
    reports = await done(ours, 3)
    stale = replace(reports[0], lease_token=uuid4())
    answers = await asyncio.gather(
        *(ours.reports.close(each, CloseReason.REPORTED, departure(each)) for each in [stale, *reports[1:]]),
        return_exceptions=True,
    )
    assert isinstance(answers[0], LeaseLost)
    assert len(await kinds(ours)) == 2


async def test_aggregates_and_report_are_two_departures_of_one_task(ours: Journals) -> None:
    (report,) = await done(ours, outcome=Outcome(True, cohort_report=COHORT))
    assert report.cohort_report == COHORT
    settled = await ours.reports.settle_cohort(
        report, Outcome(False, "refused"), departure(report, "cohort_result")
    )
    assert (settled.success, settled.result, settled.cohort_report) == (False, "refused", None)
    await ours.lapse()
    (again,) = await ours.reports.claim(1)
    assert (again.success, again.result, again.cohort_report) == (False, "refused", None)
    await ours.reports.close(again, CloseReason.REPORTED, departure(again))
    assert await kinds(ours) == ["cohort_result", "task_result"]


async def test_what_is_reported_again_has_left_once(ours: Journals) -> None:
    (report,) = await done(ours)
    await ours.reports.close(report, CloseReason.REFUSED, departure(report), "404: gone")
    assert await ours.upkeep.replay(report.task_id)
    (again,) = await ours.reports.claim(1)
    await ours.reports.close(again, CloseReason.CONFIRMED, departure(again))
    assert await kinds(ours) == ["task_result"]


async def test_a_postponed_report_is_due_later_or_as_soon_as_the_hub_is_back(ours: Journals) -> None:
    (report,) = await done(ours)
    await ours.reports.postpone(report, seconds=300, reason="HubUnavailable: away")
    assert await ours.reports.claim(1) == []
    assert await ours.column("last_error") == ["HubUnavailable: away"]
    assert await ours.reports.hasten() == 1
    (again,) = await ours.reports.claim(1)
    assert again.reports == 2


@pytest.mark.parametrize(("begun", "reports"), [(False, 1), (True, 2)])
async def test_a_report_that_is_handed_back_is_due_at_once(ours: Journals, begun: bool, reports: int) -> None:
    (report,) = await done(ours)
    await ours.reports.hand_back(report, begun=begun)
    (again,) = await ours.reports.claim(1)
    assert again.reports == reports, "what may have reached the hub counts as an attempt"


async def test_reports_go_to_one_agent_each(ours: Journals) -> None:
    for report in await done(ours, 40):
        await ours.reports.hand_back(report, begun=False)
    claims = await asyncio.gather(*(ours.reports.claim(9) for _ in range(6)))
    claimed = [report.task_id for claim in claims for report in claim]
    assert len(claimed) == len(set(claimed))


async def test_closed_tasks_go_after_their_time_and_no_others(ours: Journals) -> None:
    old, young, open_ = await done(ours, 3)
    for each in (old, young):
        await ours.reports.close(each, CloseReason.REPORTED, departure(each))
    age = "UPDATE task_journal SET {} = now() - interval '31 days' WHERE task_id = %(task)s"
    await ours.database.execute(age.format("closed_at"), {"task": old.task_id})
    await ours.database.execute(age.format("received_at"), {"task": open_.task_id})
    assert await ours.upkeep.remove_expired(30) == 1
    assert set(await ours.states()) == {young.task_id, open_.task_id}


async def test_the_depth_tells_what_is_still_to_do(ours: Journals) -> None:
    assert (await ours.upkeep.depth()).oldest_seconds == 0
    reports = await done(ours, 2)
    await ours.reports.close(reports[0], CloseReason.REPORTED, departure(reports[0]))
    await ours.journal.receive([task(), task()])
    await ours.claim(1)
    await ours.database.execute("UPDATE task_journal SET received_at = now() - interval '1 hour'")
    depth = await ours.upkeep.depth()
    assert depth.by_state == {TaskState.WAITING: 1, TaskState.RUNNING: 1, TaskState.DONE: 1}
    assert 3599 < depth.oldest_seconds < 3700


async def test_the_operator_sees_neither_question_nor_answer(ours: Journals) -> None:
    reports = await done(ours, 2, Outcome(True, "the answer"))
    await ours.reports.close(reports[0], CloseReason.REFUSED, departure(reports[0]), "409: too late")
    await ours.journal.receive([task(payload="the question")])
    (refused,) = await ours.upkeep.listing(TaskState.CLOSED, 10)
    assert (refused.close_reason, refused.last_error) == (CloseReason.REFUSED, "409: too late")
    assert refused.result_characters == len("the answer")
    everything = await ours.upkeep.listing(None, 10)
    assert [entry.state for entry in everything] == [TaskState.WAITING, TaskState.DONE, TaskState.CLOSED]
    assert everything[1].leased
    assert "the answer" not in repr(everything)
    assert "the question" not in repr(everything)
    assert await ours.upkeep.find(refused.task_id) == refused
    assert await ours.upkeep.find(uuid4()) is None


async def test_only_what_can_be_reported_is_replayed(ours: Journals) -> None:
    reported, refused, leased = await done(ours, 3)
    await ours.reports.close(reported, CloseReason.REPORTED, departure(reported))
    await ours.reports.close(refused, CloseReason.REFUSED, departure(refused))
    waiting = task()
    await ours.journal.receive([waiting])
    answers = [
        await ours.upkeep.replay(each)
        for each in (reported.task_id, refused.task_id, leased.task_id, waiting.id, uuid4())
    ]
    assert answers == [False, True, False, False, False]
    await ours.reports.postpone(leased, seconds=300, reason="later")
    assert await ours.upkeep.replay(leased.task_id)
    assert len(await ours.reports.claim(10)) == 2
