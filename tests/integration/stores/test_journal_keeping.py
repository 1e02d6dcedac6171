"""What keeps the journal in order, on a real one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from flame_node_agent.agent.journal_keeping import JournalGauges, JournalJanitor
from flame_node_agent.devstack.postgres import PostgresAccess
from flame_node_agent.stores.journal_rows import CloseReason
from flame_node_agent.telemetry import metrics
from flame_node_agent.wire.tasks import Outcome
from tests.integration.stores.journal_ground import ALL, Journals, departure, open_journals, task


@pytest.fixture
async def ours(postgres_database: Callable[[], PostgresAccess]) -> AsyncIterator[Journals]:
    async with open_journals(postgres_database()) as journals:
        yield journals


def gauge(state: str) -> float | None:
    return metrics.REGISTRY.get_sample_value("flame_node_tasks", {"state": state})


def removed() -> float:
    return metrics.REGISTRY.get_sample_value("flame_node_janitor_removed_total", {"what": "task"}) or 0.0


async def test_the_janitor_removes_all_that_is_old_enough_in_one_round(ours: Journals) -> None:
    await ours.journal.receive([task() for _ in range(600)])
    for run in await ours.claim():
        await ours.journal.finish(run, Outcome(True))
    for report in await ours.reports.claim(ALL):
        await ours.reports.close(report, CloseReason.REPORTED, departure(report))
    await ours.database.execute("UPDATE task_journal SET closed_at = now() - interval '40 days'")
    await ours.journal.receive([task()])
    before = removed()
    await JournalJanitor(ours.upkeep, days=30).round()
    assert list((await ours.states()).values()) == ["waiting"]
    assert removed() - before == 600


async def test_the_gauges_tell_what_is_still_to_do_and_keep_their_values_without_a_database(
    ours: Journals,
) -> None:
    await ours.journal.receive([task() for _ in range(3)])
    await ours.claim(1)
    gauges = JournalGauges(ours.upkeep)
    await gauges.round()
    assert (gauge("waiting"), gauge("running"), gauge("done")) == (2, 1, 0)
    await ours.database.execute("ALTER TABLE task_journal RENAME TO elsewhere")
    await gauges.round()
    await JournalJanitor(ours.upkeep, days=30).round()
    assert gauge("waiting") == 2
