"""What is told to the hub of one task, and what each of its answers means."""

from __future__ import annotations

import asyncio
import hashlib
import json
from uuid import uuid4

import pytest

from flame_node_agent.agent.report_delivery import ReportDelivery
from flame_node_agent.agent.task_leases import TaskLeases
from flame_node_agent.errors import HubUnavailable, LeaseLost
from flame_node_agent.stores.journal_rows import CloseReason, Report
from flame_node_agent.wire.tasks import MAX_RESULT_CHARACTERS, RefusedForGood, report_body
from tests.unit.agent.task_doubles import HubDouble, JournalDouble, until
from tests.unit.agent.test_reporter import report

QUERY = str(uuid4())
COHORT = {"query_id": QUERY, "record_count": 12, "data": []}
GONE = RefusedForGood(404, "Task not found")


def in_state(status: str) -> RefusedForGood:
    return RefusedForGood(409, f"Task x is not in progress (current status: {status})")


class Ground:
    def __init__(self) -> None:
        self.hub = HubDouble()
        self.journal = JournalDouble()
        leases = TaskLeases(self.journal, lease_seconds=60)
        self.leases = leases
        self.delivery = ReportDelivery(self.hub, self.journal, leases)

    async def deliver(self, told: Report) -> tuple[CloseReason, str | None]:
        await self.delivery.deliver(told)
        return self.journal.closed[told.task_id]


@pytest.mark.parametrize("result", [None, '{"a": 1}'])
@pytest.mark.parametrize("success", [True, False])
async def test_a_report_that_is_taken_is_closed(success: bool, result: str | None) -> None:
    ground, told = Ground(), report(success=success, result=result)
    assert await ground.deliver(told) == (CloseReason.REPORTED, None)
    assert ground.hub.reported == [(told.task_id, success, result)]


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 422])
async def test_a_no_for_good_is_closed_with_its_reason_and_not_repeated(status: int) -> None:
    ground = Ground()
    ground.hub.to_reports.append(RefusedForGood(status, "no"))
    assert await ground.deliver(report()) == (CloseReason.REFUSED, f"{status}: no")
    assert len(ground.hub.reported) == 1


@pytest.mark.parametrize(
    ("attempt", "success", "answer", "reason"),
    [
        (2, True, in_state("COMPLETED"), CloseReason.CONFIRMED),
        (2, False, in_state("FAILED"), CloseReason.CONFIRMED),
        (7, True, in_state("TaskStatus.COMPLETED"), CloseReason.CONFIRMED),
        (1, True, in_state("COMPLETED"), CloseReason.REFUSED),
        (2, True, in_state("FAILED"), CloseReason.REFUSED),
        (2, False, in_state("COMPLETED"), CloseReason.REFUSED),
        (2, True, in_state("PENDING"), CloseReason.REFUSED),
        (2, True, RefusedForGood(409, "no"), CloseReason.REFUSED),
        (2, True, GONE, CloseReason.REFUSED),
    ],
)
async def test_a_report_whose_answer_was_lost_is_recognised(
    attempt: int, success: bool, answer: RefusedForGood, reason: CloseReason
) -> None:
    ground = Ground()
    ground.hub.to_reports.append(answer)
    assert await ground.deliver(report(reports=attempt, success=success)) == (reason, str(answer))


async def test_what_may_pass_closes_nothing() -> None:
    ground = Ground()
    ground.hub.to_reports.append(HubUnavailable("away"))
    with pytest.raises(HubUnavailable):
        await ground.delivery.deliver(report())
    assert ground.journal.closed == {}
    assert ground.journal.departures == []


async def test_a_result_of_the_greatest_length_is_sent_as_it_is() -> None:
    ground, result = Ground(), "\u00e9" * MAX_RESULT_CHARACTERS
    await ground.deliver(report(result=result))
    assert ground.hub.reported[0][1:] == (True, result)


async def test_a_longer_result_becomes_a_clear_failure_before_it_is_sent() -> None:
    ground = Ground()
    await ground.deliver(report(result="x" * (MAX_RESULT_CHARACTERS + 1)))
    ((_, success, result),) = ground.hub.reported
    assert success is False
    assert json.loads(result or "") == {
        "error": "The result has 10000001 characters; the hub takes at most 10000000"
    }


async def test_a_result_that_is_too_large_on_the_way_becomes_a_clear_failure() -> None:
    ground = Ground()
    ground.hub.to_reports.append(RefusedForGood(413, "Request Entity Too Large"))
    assert (await ground.deliver(report(result="much")))[0] is CloseReason.REPORTED
    assert ground.hub.reported[0][1:] == (True, "much")
    _, success, result = ground.hub.reported[1]
    assert (success, json.loads(result or "")["error"]) == (
        False,
        "The result is too large for the hub (413: Request Entity Too Large)",
    )


async def test_aggregates_reach_the_hub_before_the_report() -> None:
    ground = Ground()
    ground.hub.to_reports.append(HubUnavailable("away"))
    with pytest.raises(HubUnavailable):
        await ground.delivery.deliver(report(cohort_report=COHORT))
    assert ground.hub.cohorts == [COHORT]
    assert [each.kind for each in ground.journal.departures] == ["cohort_result"], "noted at once"


async def test_no_report_is_sent_before_the_aggregates_are_there() -> None:
    ground = Ground()
    ground.hub.to_cohorts.append(HubUnavailable("away"))
    with pytest.raises(HubUnavailable):
        await ground.delivery.deliver(report(cohort_report=COHORT))
    assert ground.hub.reported == []
    assert ground.journal.departures == []


async def test_aggregates_that_are_refused_for_good_make_the_task_fail() -> None:
    ground, told = Ground(), report(cohort_report=COHORT)
    ground.hub.to_cohorts.append(RefusedForGood(422, "body.data: too long"))
    assert (await ground.deliver(told))[0] is CloseReason.REPORTED
    ((_, success, result),) = ground.hub.reported
    assert (success, json.loads(result or "")) == (False, {"error": "422: body.data: too long"})


async def test_an_error_report_that_is_refused_does_not_hide_the_error() -> None:
    ground = Ground()
    told = report(success=False, result='{"error": "500: query_failed"}', cohort_report=COHORT)
    ground.hub.to_cohorts.append(RefusedForGood(404, "no such query"))
    await ground.deliver(told)
    assert ground.hub.reported == [(told.task_id, False, '{"error": "500: query_failed"}')]


async def test_everything_that_leaves_is_in_the_ledger_with_what_crossed_the_wire() -> None:
    ground, told = Ground(), report(result='{"a": 1}', cohort_report=COHORT)
    ground.hub.to_reports.append(GONE)
    await ground.deliver(told)
    cohort, task = ground.journal.departures
    body = json.dumps(COHORT).encode()
    assert (cohort.upload_id, cohort.kind, cohort.name) == (told.task_id, "cohort_result", QUERY)
    assert (cohort.sent_size, cohort.sent_sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert cohort.destination == "https://hub.example/api/cohort/results"
    sent = report_body(True, '{"a": 1}')
    assert (task.upload_id, task.kind, task.name) == (told.task_id, "task_result", "cohort_query")
    assert (task.size, task.sha256) == (8, hashlib.sha256(b'{"a": 1}').hexdigest())
    assert (task.sent_size, task.sent_sha256) == (len(sent), hashlib.sha256(sent).hexdigest())
    assert task.destination == f"https://hub.example/api/tasks/{told.task_id}/result"
    assert (task.analysis_id, task.project_id, task.sealed_for) == (None, None, None)


async def test_a_report_that_another_agent_has_taken_over_is_left_to_it() -> None:
    ground, told = Ground(), report()
    ground.journal.lost.add(told.lease_token)
    ground.hub.gate = asyncio.Event()
    delivering = asyncio.create_task(ground.delivery.deliver(told))
    await until(lambda: len(ground.hub.reported) == 1)
    await ground.leases.renew()
    with pytest.raises(LeaseLost):
        await delivering
    assert ground.journal.closed == {}
