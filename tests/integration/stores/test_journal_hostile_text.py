"""Texts that a hub may send and a database does not take, and rights that it does not give: nothing is lost."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import pytest

from flame_node_agent.agent.poller import Poller
from flame_node_agent.agent.report_delivery import ReportDelivery
from flame_node_agent.agent.task_leases import TaskLeases
from flame_node_agent.devstack.postgres import PostgresAccess
from flame_node_agent.errors import DatabaseUnavailable
from flame_node_agent.hub.answers import Answer
from flame_node_agent.hub.task_answers import read_pending
from flame_node_agent.stores.database import Connection
from flame_node_agent.wire.tasks import Outcome, RefusedForGood
from tests.integration.stores.journal_ground import Journals, open_journals, task, task_settings
from tests.unit.agent.task_doubles import HubDouble


@pytest.fixture
def access(postgres_database: Callable[[], PostgresAccess]) -> PostgresAccess:
    return postgres_database()


@pytest.fixture
async def journals(access: PostgresAccess) -> AsyncIterator[Journals]:
    async with open_journals(access) as opened:
        yield opened


async def test_a_type_too_long_for_an_index_is_received_with_its_neighbours(
    access: PostgresAccess, journals: Journals
) -> None:
    elements = [
        {"id": str(uuid4()), "task_type": secrets.token_hex(20_000), "payload": "sealed"},
        {"id": str(uuid4()), "task_type": "cohort_query", "payload": "sealed"},
    ]
    hub = HubDouble(read_pending(Answer(200, {"tasks": elements}, True)))
    poller = Poller(hub, journals.journal, task_settings(access), seen=lambda _: True)
    async with asyncio.timeout(10):
        await poller.round()
    assert len(await journals.states()) == 2


@pytest.mark.parametrize("name", ["q\0", "q\ud800", "q" * 100_000])
async def test_a_cohort_report_is_closed_whatever_its_query_is_called(journals: Journals, name: str) -> None:
    await journals.journal.receive([task()])
    (run,) = await journals.claim()
    await journals.journal.finish(run, Outcome(True, None, {"query_id": name, "data": []}))
    (report,) = await journals.reports.claim(1)
    hub = HubDouble()
    hub.to_cohorts.append(RefusedForGood(422, "query_id: not a UUID"))
    await ReportDelivery(hub, journals.reports, TaskLeases(journals.journal, lease_seconds=60)).deliver(
        report
    )
    assert list((await journals.states()).values()) == ["closed"]
    ((_, success, result),) = hub.reported
    assert (success, json.loads(result or "")) == (False, {"error": "422: query_id: not a UUID"})


async def test_a_right_that_is_missing_is_an_outage(journals: Journals) -> None:
    async def without_rights(connection: Connection) -> None:
        await connection.execute("SET LOCAL ROLE pg_monitor")
        await connection.execute("DELETE FROM task_journal")

    with pytest.raises(DatabaseUnavailable, match="InsufficientPrivilege"):
        await journals.database.run(without_rights)
