"""The task journal: taking tasks in, handing them out, and never handing out a finished one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from flame_node_agent.devstack.postgres import PostgresAccess
from flame_node_agent.errors import LeaseLost
from flame_node_agent.stores.journal_rows import CloseReason, Received, Run
from flame_node_agent.wire.tasks import Outcome
from tests.integration.stores.journal_ground import ALL, Journals, departure, open_journals, task

DONE = Outcome(True, '{"answer": 42}')
USER = "update_user_profile"


@pytest.fixture
async def ours(postgres_database: Callable[[], PostgresAccess]) -> AsyncIterator[Journals]:
    async with open_journals(postgres_database()) as journals:
        yield journals


async def finished(ours: Journals, outcome: Outcome = DONE) -> None:
    for run in await ours.claim():
        await ours.journal.finish(run, outcome)


async def test_every_task_of_an_answer_is_there_before_any_is_handed_out(ours: Journals) -> None:
    tasks = [task() for _ in range(50)]
    assert await ours.journal.receive(tasks) == Received(new=50, answered=0, underway=0)
    claimed = await ours.claim()
    assert [run.task_id for run in claimed] == [each.id for each in tasks]
    assert {(run.payload, run.runs) for run in claimed} == {("sealed", 1)}


async def test_an_answer_that_names_a_task_twice_makes_one_row(ours: Journals) -> None:
    twin = task()
    assert (await ours.journal.receive([twin, twin])).new == 1
    assert len(await ours.claim()) == 1


async def test_an_answer_without_tasks_changes_nothing(ours: Journals) -> None:
    assert await ours.journal.receive([]) == Received(0, 0, 0)


async def test_a_task_is_claimed_by_one_agent_only(ours: Journals) -> None:
    await ours.journal.receive([task() for _ in range(40)])
    claims = await asyncio.gather(*(ours.claim(9) for _ in range(6)))
    claimed = [run.task_id for claim in claims for run in claim]
    assert len(claimed) == len(set(claimed))
    assert len(claimed) + len(await ours.claim()) == 40


async def test_a_slow_type_leaves_room_for_others(ours: Journals) -> None:
    await ours.journal.receive([*(task("cohort_query") for _ in range(20)), task("update_user_profile")])
    claimed = await ours.journal.claim(8, rooms={"cohort_query": 3}, other_room=4)
    assert [run.task_type for run in claimed] == ["cohort_query"] * 3 + ["update_user_profile"]
    assert await ours.journal.claim(8, rooms={"cohort_query": 0}, other_room=4) == []


async def test_types_that_nobody_has_named_have_a_room_each(ours: Journals) -> None:
    await ours.journal.receive([task(f"type {n % 3}") for n in range(30)])
    claimed = await ours.journal.claim(ALL, rooms={}, other_room=2)
    assert sorted(run.task_type for run in claimed) == ["type 0"] * 2 + ["type 1"] * 2 + ["type 2"] * 2


async def in_order(ours: Journals, *, room: int = 1, holding: Collection[UUID] = ()) -> list[Run]:
    """What an agent claims that keeps changes of users in order."""
    return await ours.journal.claim(ALL, rooms={USER: room}, other_room=ALL, ordered=[USER], holding=holding)


async def test_a_change_that_a_dead_agent_has_begun_is_not_overtaken_by_the_next(ours: Journals) -> None:
    changes = [task(USER), task(USER)]
    await ours.journal.receive(changes)
    assert [run.task_id for run in await in_order(ours)] == [changes[0].id]
    assert await in_order(ours) == [], "as claimed by an agent that has just started"
    await ours.lapse()
    for change in changes:
        (run,) = await in_order(ours)
        assert run.task_id == change.id
        assert await in_order(ours) == []
        await ours.journal.finish(run, DONE)


async def test_no_room_of_one_agent_lets_several_changes_out(ours: Journals) -> None:
    changes = [task(USER) for _ in range(3)]
    await ours.journal.receive(changes)
    assert [run.task_id for run in await in_order(ours, room=ALL)] == [changes[0].id]


async def test_a_change_that_is_handed_back_keeps_its_place(ours: Journals) -> None:
    changes = [task(USER), task(USER)]
    await ours.journal.receive(changes)
    (run,) = await in_order(ours)
    await ours.journal.hand_back(run)
    assert [again.task_id for again in await in_order(ours)] == [changes[0].id]


async def test_a_change_that_hangs_holds_up_its_own_type_alone(ours: Journals) -> None:
    await ours.journal.receive([task(USER), task(USER), task(), task("create_imaging"), task()])
    claimed = await in_order(ours)
    assert [run.task_type for run in claimed] == [USER, "cohort_query", "create_imaging", "cohort_query"]
    await ours.journal.receive([task()])
    assert [run.task_type for run in await in_order(ours)] == ["cohort_query"]


async def test_an_agent_that_was_late_to_commit_a_change_does_not_run_it_beside_a_later_one(
    ours: Journals,
) -> None:
    await ours.journal.receive([task(USER), task(USER)])
    (early,) = await in_order(ours)
    await ours.database.execute(
        "UPDATE task_journal SET lease_token = gen_random_uuid(), lease_expires_at = now() + interval '1 minute',"
        " state = 'running' WHERE task_id <> %(early)s",
        {"early": early.task_id},
    )
    await ours.journal.hand_back(early)
    assert await in_order(ours) == []


async def test_changes_run_one_by_one_however_many_agents_claim_at_once(ours: Journals) -> None:
    changes = [task(USER) for _ in range(12)]
    await ours.journal.receive(changes)
    ended: list[UUID] = []
    while len(ended) < len(changes):
        claimed = [run for runs in await asyncio.gather(*(in_order(ours) for _ in range(6))) for run in runs]
        assert len(claimed) == 1
        await asyncio.gather(*(ours.journal.finish(run, DONE) for run in claimed), in_order(ours))
        ended += [run.task_id for run in claimed]
        await ours.lapse()
    assert ended == [change.id for change in changes]


async def test_a_finished_task_is_not_handed_out_again(ours: Journals) -> None:
    await ours.journal.receive([task()])
    await finished(ours)
    await ours.lapse()
    assert await ours.claim() == []
    (report,) = await ours.reports.claim(10)
    assert (report.success, report.result, report.reports) == (True, DONE.result, 1)
    assert await ours.column("payload") == [""], "what was asked is not kept"


async def test_a_task_of_a_dead_agent_is_handed_out_again(ours: Journals) -> None:
    await ours.journal.receive([task()])
    (first,) = await ours.claim()
    assert await ours.claim() == []
    await ours.lapse()
    (second,) = await ours.claim()
    assert (second.task_id, second.runs) == (first.task_id, 2)
    with pytest.raises(LeaseLost):
        await ours.journal.finish(first, DONE)
    assert await ours.journal.renew([first.lease_token, second.lease_token]) == {second.lease_token}
    await ours.journal.finish(second, Outcome(False, '{"error": "no"}'))
    (report,) = await ours.reports.claim(10)
    assert report.success is False


async def test_a_task_that_this_agent_still_has_in_hand_is_not_handed_to_it_again(ours: Journals) -> None:
    await ours.journal.receive([task()])
    (run,) = await ours.claim()
    await ours.lapse()
    held = [run.task_id]
    assert await ours.journal.claim(ALL, rooms={}, other_room=ALL, holding=held) == []
    await ours.journal.finish(run, DONE)
    assert set((await ours.states()).values()) == {"done"}


async def test_a_task_that_is_handed_back_is_due_at_once_and_was_not_run(ours: Journals) -> None:
    await ours.journal.receive([task()])
    (run,) = await ours.claim()
    await ours.journal.hand_back(run)
    (again,) = await ours.claim()
    assert again.runs == 1
    await ours.journal.hand_back(run)
    assert await ours.claim() == [], "a lease that was lost gives nothing back"


async def test_an_unfinished_task_that_comes_again_is_left_alone(ours: Journals) -> None:
    known = [task(), task()]
    await ours.journal.receive(known)
    (run,) = await ours.claim(1)
    again = await ours.journal.receive([replace(each, payload="sealed anew") for each in known])
    assert again == Received(new=0, answered=0, underway=2)
    assert await ours.journal.renew([run.lease_token]) == {run.lease_token}
    (other,) = await ours.claim()
    assert other.payload == "sealed"


@pytest.mark.parametrize("reason", list(CloseReason))
async def test_a_closed_task_that_comes_again_is_reported_again_and_not_run(
    ours: Journals, reason: CloseReason
) -> None:
    known = task()
    await ours.journal.receive([known])
    await finished(ours)
    (report,) = await ours.reports.claim(1)
    await ours.reports.close(report, reason, departure(report))
    assert await ours.journal.receive([known]) == Received(new=0, answered=1, underway=0)
    assert await ours.claim() == []
    (again,) = await ours.reports.claim(1)
    assert (again.result, again.reports) == (DONE.result, 2)


async def test_a_finished_task_that_comes_again_is_due_at_once(ours: Journals) -> None:
    known = task()
    await ours.journal.receive([known])
    await finished(ours)
    (report,) = await ours.reports.claim(1)
    await ours.reports.postpone(report, seconds=300, reason="hub away")
    assert await ours.reports.claim(1) == []
    assert (await ours.journal.receive([known])).answered == 1
    assert len(await ours.reports.claim(1)) == 1


async def test_a_report_that_is_under_way_keeps_its_lease_when_the_task_comes_again(ours: Journals) -> None:
    known = task()
    await ours.journal.receive([known])
    await finished(ours)
    (report,) = await ours.reports.claim(1)
    await ours.journal.receive([known])
    assert await ours.reports.claim(1) == []
    await ours.reports.close(report, CloseReason.REPORTED, departure(report))


async def test_many_tasks_finish_at_once_each_with_its_own_outcome(ours: Journals) -> None:
    await ours.journal.receive([task() for _ in range(250)])
    runs = await ours.claim()
    await asyncio.gather(*(ours.journal.finish(run, Outcome(True, str(run.task_id))) for run in runs))
    reports = await ours.reports.claim(ALL)
    assert len(reports) == 250
    assert all(report.result == str(report.task_id) for report in reports)


async def test_one_lost_lease_does_not_hold_up_the_others(ours: Journals) -> None:
    await ours.journal.receive([task() for _ in range(5)])
    runs = await ours.claim()
    stale = replace(runs[2], lease_token=uuid4())
    answers = await asyncio.gather(
        *(ours.journal.finish(run, DONE) for run in [*runs[:2], stale, *runs[3:]]), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [type(None), type(None), LeaseLost, type(None), type(None)]


async def test_texts_that_no_database_takes_are_put_right(ours: Journals) -> None:
    await ours.journal.receive([task()])
    report = {"error": "\ud800 and \0"}
    await finished(ours, Outcome(True, "\ud800 and \0", cohort_report=report))
    (found,) = await ours.reports.claim(1)
    assert found.result == "? and \ufffd"
    assert found.cohort_report == report


async def test_the_backlog_counts_what_is_not_finished(ours: Journals) -> None:
    await ours.journal.receive([task() for _ in range(3)])
    await ours.claim(1)
    assert await ours.journal.backlog() == 3
    await ours.lapse()
    await finished(ours)
    assert await ours.journal.backlog() == 0


async def test_times_of_a_clock_ahead_do_not_hold_tasks_up(ours: Journals) -> None:
    await ours.journal.receive([task()])
    await ours.claim()
    ahead = "UPDATE task_journal SET lease_expires_at = lease_expires_at + interval '12 years'"
    await ours.database.execute(ahead)
    await finished(ours)
    (report,) = await ours.reports.claim(1)
    await ours.reports.postpone(report, seconds=30, reason="later")
    await ours.database.execute("UPDATE task_journal SET not_before = not_before + interval '12 years'")
    assert len(await ours.reports.claim(1)) == 1
