"""What a waiting request is told when its time runs out."""

from __future__ import annotations

import asyncio

import pytest

from flame_node_agent.agent.result_side import ResultSide
from flame_node_agent.agent.sending import Sending
from flame_node_agent.errors import DatabaseUnavailable, HubUnavailable
from flame_node_agent.stores.uploads import Upload, UploadKind, UploadState
from tests.conftest import EnvironmentFactory, HubFactory
from tests.integration.agent.test_delivery import NAME, held, running, stored

DEADLINE = 3.0


def sending(agent: ResultSide) -> Sending:
    return Sending(agent.delivery, agent.outbox, agent.leases)


def hang_after_the_last_commit(agent: ResultSide, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """The last commit is made and its answer does not come; the event is set once it is made."""
    mark_delivered, committed = agent.outbox.mark_delivered, asyncio.Event()

    async def commit_and_hang(upload: Upload) -> Upload:
        delivered = await mark_delivered(upload)
        committed.set()
        await asyncio.sleep(60)
        return delivered

    monkeypatch.setattr(agent.outbox, "mark_delivered", commit_and_hang)
    return committed


async def test_deadline_that_meets_the_last_commit_gives_the_id_of_the_delivered_file(
    dev_hub: HubFactory, node_env: EnvironmentFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = dev_hub("0.13")
    analysis_id = hub.new_analysis().id
    async with running(node_env, hub) as agent:
        new = await stored(agent, analysis_id, UploadKind.INTERMEDIATE)
        hang_after_the_last_commit(agent, monkeypatch)
        file_id = await sending(agent).send_now(new, recipient=None, deadline=DEADLINE)
        row = await agent.outbox.find(new.upload_id)
        assert row is not None
        assert (row.state, row.hub_file_id) == (UploadState.DELIVERED, file_id)
    assert list(held(hub, analysis_id)) == [NAME]


async def test_deadline_before_the_last_commit_is_a_failure_and_the_file_is_taken_back(
    dev_hub: HubFactory, node_env: EnvironmentFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = dev_hub("0.13")
    analysis_id = hub.new_analysis().id
    async with running(node_env, hub) as agent:
        new = await stored(agent, analysis_id, UploadKind.INTERMEDIATE)

        async def hang(upload: Upload) -> Upload:
            await asyncio.sleep(60)
            return upload

        monkeypatch.setattr(agent.outbox, "mark_delivered", hang)
        with pytest.raises(HubUnavailable):
            await sending(agent).send_now(new, recipient=None, deadline=DEADLINE)
        row = await agent.outbox.find(new.upload_id)
        assert row is not None
        assert row.state is UploadState.RETRACTING


async def test_request_that_is_cancelled_after_the_last_commit_stays_cancelled(
    dev_hub: HubFactory, node_env: EnvironmentFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = dev_hub("0.13")
    analysis_id = hub.new_analysis().id
    async with running(node_env, hub) as agent:
        new = await stored(agent, analysis_id, UploadKind.INTERMEDIATE)
        committed = hang_after_the_last_commit(agent, monkeypatch)
        request = asyncio.create_task(sending(agent).send_now(new, recipient=None, deadline=30))
        async with asyncio.timeout(10):
            await committed.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request


async def test_failure_is_told_as_it_was_when_the_database_goes_away_with_it(
    dev_hub: HubFactory, node_env: EnvironmentFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = dev_hub("0.13")
    analysis_id = hub.new_analysis().id
    async with running(node_env, hub) as agent:
        new = await stored(agent, analysis_id, UploadKind.INTERMEDIATE)
        hang_after_the_last_commit(agent, monkeypatch)

        async def away(_: object) -> None:
            raise DatabaseUnavailable("away")

        monkeypatch.setattr(agent.outbox, "find", away)
        with pytest.raises(HubUnavailable):
            await sending(agent).send_now(new, recipient=None, deadline=DEADLINE)
