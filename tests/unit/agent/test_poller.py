"""Asking the hub for tasks: how often, what is done with them, and what does not stop it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from flame_node_agent.agent import poller as module
from flame_node_agent.agent.poller import BACKLOG_LIMIT, Poller
from flame_node_agent.errors import (
    HubCredentialsRefused,
    HubRefused,
    HubUnavailable,
    HubUnexpected,
)
from flame_node_agent.wire.tasks import Identity, Outcome, Pending
from tests.unit.agent.task_doubles import IDENTITY, HubDouble, JournalDouble, full, task, until
from tests.unit.hub.flip_hub import task_settings

FAST = {"POLL_INTERVAL_SECONDS": "0.01"}


class Ground:
    """A poller with a hub and a journal in memory."""

    def __init__(self, *answers: Pending | Exception, **variables: str) -> None:
        self.hub = HubDouble(*answers)
        self.journal = JournalDouble()
        self.identities: list[Identity | None] = []
        self.ours = True
        self.nudges: list[str] = []
        self.poller = Poller(
            self.hub,
            self.journal,
            task_settings(**variables),
            seen=self._seen,
            on_answer=lambda: self.nudges.append("answer"),
            on_new=lambda: self.nudges.append("new"),
            on_known=lambda: self.nudges.append("known"),
        )

    def _seen(self, identity: Identity | None) -> bool:
        self.identities.append(identity)
        return self.ours

    @asynccontextmanager
    async def polling(self) -> AsyncIterator[None]:
        loop = asyncio.create_task(self.poller.run())
        try:
            yield
        finally:
            await self.poller.stop(1)
            await asyncio.wait_for(loop, 5)


async def test_tasks_are_in_the_journal_before_anybody_is_told() -> None:
    ground = Ground(Pending((task(), task()), IDENTITY))
    await ground.poller.round()
    assert len(ground.journal.waiting) == 2
    assert ground.nudges == ["answer", "new"]
    assert ground.identities == [IDENTITY]


async def test_no_tasks_need_no_commit() -> None:
    ground = Ground(Pending(()))
    await ground.poller.round()
    assert ground.journal.commits == 0
    assert ground.nudges == ["answer"]


async def test_a_task_that_was_finished_before_is_a_matter_of_the_reporter() -> None:
    known = task()
    ground = Ground(Pending((known,)))
    await ground.journal.receive([known])
    (run,) = await ground.journal.claim(1, rooms={}, other_room=1)
    await ground.journal.finish(run, Outcome(True))
    await ground.poller.round()
    assert ground.nudges == ["answer", "known"]


async def test_tasks_of_another_trust_are_none_of_ours() -> None:
    ground = Ground(Pending((task(),), Identity("another", "Trust_2")))
    ground.ours = False
    await ground.poller.round()
    assert ground.journal.waiting == []


async def test_the_pause_is_about_the_interval_and_never_the_same() -> None:
    ground = Ground(POLL_INTERVAL_SECONDS="5")
    pauses = [await ground.poller.round() for _ in range(50)]
    assert 2.5 <= min(pauses) < 4 < 6 < max(pauses) <= 7.5


async def test_a_full_batch_is_followed_at_once_until_the_backlog_is_large() -> None:
    ground = Ground(*(full() for _ in range(10)))
    pauses = [await ground.poller.round() for _ in range(4)]
    assert pauses[:3] == [0, 0, 0]
    assert pauses[3] > 0
    assert len(ground.journal.waiting) == BACKLOG_LIMIT


async def test_nothing_is_fetched_that_cannot_be_run_soon() -> None:
    ground = Ground(full())
    ground.journal.other_backlog = BACKLOG_LIMIT
    with capture_logs() as logs:
        assert await ground.poller.round() > 0
    assert ground.hub.polls == 0
    assert [entry["event"] for entry in logs] == ["poller.backlog"]


async def test_the_hub_is_not_asked_while_there_is_nowhere_to_put_its_tasks() -> None:
    ground = Ground(full(), **FAST)
    ground.journal.away = True
    async with ground.polling():
        await asyncio.sleep(0.1)
        assert ground.hub.polls == 0
        ground.journal.away = False
        await until(lambda: len(ground.journal.waiting) == 50)


async def test_tasks_are_kept_until_the_database_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMIT_PAUSE_SECONDS", 0.01)
    ground = Ground(full(), **FAST)
    ground.hub.gate = asyncio.Event()
    async with ground.polling():
        await until(lambda: ground.hub.polls == 1)
        ground.journal.away = True
        ground.hub.gate.set()
        await until(lambda: ground.journal.commits >= 3)
        assert ground.hub.polls == 1
        ground.journal.away = False
        await until(lambda: len(ground.journal.waiting) == 50)


@pytest.mark.parametrize(
    "failure",
    [
        HubUnavailable("nobody"),
        HubUnexpected(None, "a web page"),
        HubUnexpected(500),
        HubCredentialsRefused("401"),
        HubRefused(403, "refused", "not you"),
        RuntimeError("a defect"),
    ],
    ids=repr,
)
async def test_no_failure_ends_polling(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "spread", lambda seconds: 0.01)
    ground = Ground(failure, failure, Pending((task(),)), **FAST, TASKS__POLL_BACKOFF_CAP_SECONDS="0.05")
    async with ground.polling():
        await until(lambda: len(ground.journal.waiting) == 1)
    assert ground.hub.polls >= 3


async def test_a_task_that_cannot_be_committed_does_not_take_the_others_of_its_reply_along() -> None:
    damned, others = task(), (task(), task())
    ground = Ground(Pending((others[0], damned, others[1]), IDENTITY))
    ground.journal.unstorable.add(damned.id)
    with capture_logs() as logs:
        await ground.poller.round()
    assert [run.task_id for run in ground.journal.waiting] == [other.id for other in others]
    assert ground.nudges == ["answer", "new"]
    assert [entry["task"] for entry in logs if entry["event"] == "loop.failed"] == [str(damned.id)]


async def test_pauses_grow_while_the_hub_is_away_and_stay_under_the_cap() -> None:
    ground = Ground(POLL_INTERVAL_SECONDS="5", TASKS__POLL_BACKOFF_CAP_SECONDS="60")
    pauses = []
    for _ in range(200):
        ground.hub.answers.append(HubUnavailable("nobody"))
        pauses.append(await ground.poller._guarded_round())
    assert max(pauses[:1]) <= 10
    assert 45 < max(pauses) <= 60
    assert min(pauses) >= 2.5
    assert await ground.poller._guarded_round() <= 7.5
    ground.hub.answers.append(HubUnavailable("nobody"))
    assert await ground.poller._guarded_round() <= 10, "an answer begins anew"


async def test_the_hubs_wish_to_be_left_alone_is_honoured() -> None:
    ground = Ground(HubUnavailable("429", retry_after=123))
    assert await ground.poller._guarded_round() == 123


async def test_the_log_tells_of_success_at_first_and_after_a_failure_but_not_of_every_poll() -> None:
    ground = Ground(Pending(()), Pending(()), Pending(()), HubUnavailable("nobody"), Pending(()))
    with capture_logs() as logs:
        for _ in range(5):
            await ground.poller._guarded_round()
    assert [each["polls"] for each in logs if each["event"] == "poller.polled"] == [1, 3]


async def test_elements_that_are_no_tasks_are_told() -> None:
    ground = Ground(Pending((task(),), unreadable=2))
    with capture_logs() as logs:
        await ground.poller.round()
    assert [each["tasks"] for each in logs if each["event"] == "poller.unreadable_tasks"] == [2]
    assert len(ground.journal.waiting) == 1


async def test_what_the_hub_is_just_handing_out_is_noted_before_the_end() -> None:
    ground = Ground(full(), **FAST)
    ground.hub.gate = asyncio.Event()
    loop = asyncio.create_task(ground.poller.run())
    await until(lambda: ground.hub.polls == 1)
    stopping = asyncio.create_task(ground.poller.stop(5))
    await asyncio.sleep(0.01)
    assert not stopping.done()
    ground.hub.gate.set()
    await stopping
    await asyncio.wait_for(loop, 5)
    assert len(ground.journal.waiting) == 50
    assert ground.hub.polls == 1


async def test_a_hub_that_does_not_answer_holds_up_no_stop() -> None:
    ground = Ground(full(), **FAST)
    ground.hub.gate = asyncio.Event()
    loop = asyncio.create_task(ground.poller.run())
    await until(lambda: ground.hub.polls == 1)
    await asyncio.wait_for(ground.poller.stop(0.05), 5)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


async def test_polling_does_not_wait_for_the_runner() -> None:
    ground = Ground(*(Pending((task(),)) for _ in range(20)), **FAST)
    async with ground.polling():
        await until(lambda: len(ground.journal.waiting) == 20)
    assert ground.journal.finished == {}
