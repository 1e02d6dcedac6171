"""Deliveries beside those of others: other nodes of the analysis, and other uploads of this one."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest

from flame_node_agent.agent.result_side import ResultSide
from flame_node_agent.config.settings import load_settings
from flame_node_agent.devstack.hub_server import Profile
from flame_node_agent.devstack.testing import RunningHub
from flame_node_agent.errors import HubError, HubUnavailable
from flame_node_agent.hub.transport import Transport
from flame_node_agent.stores.database import Database
from flame_node_agent.stores.uploads import NewUpload, Upload, UploadKind, UploadState
from tests.conftest import EnvironmentFactory, HubFactory

CONTENT = b"the same at every node"
NAME = "upload"  # what the oldest SDKs call every file


@asynccontextmanager
async def running(
    node_env: EnvironmentFactory, hub: RunningHub, *, flow: str | None = None
) -> AsyncIterator[ResultSide]:
    """The parts of an agent whose loops do not run, so that the test takes each step."""
    settings = load_settings(node_env(hub, flow=flow), env_file=None)
    database, transport = await Database.open(settings), Transport(settings)
    agent = ResultSide(settings, database, transport)
    try:
        await database.migrate()
        yield agent
    finally:
        await agent.close()
        await transport.aclose()
        await database.close()


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def stored(
    agent: ResultSide, analysis_id: UUID, kind: UploadKind, content: bytes = CONTENT
) -> NewUpload:
    """A stored file of an analysis, still staged."""
    bucket = await agent.hub.core.find_analysis_bucket(analysis_id, kind.bucket)
    assert bucket is not None
    upload_id = uuid4()
    async with agent.staging.stage(f"outbox/{upload_id}") as staged:
        held = await staged.store(pieces(content))
    return NewUpload(
        upload_id=upload_id,
        kind=kind,
        analysis_id=analysis_id,
        project_id=None,
        object_key=held.key,
        filename=NAME,
        content_type=held.content_type,
        size=held.size,
        sha256=held.sha256,
        bucket=bucket,
    )


async def advanced(agent: ResultSide, upload: Upload) -> Upload:
    async for step in agent.delivery.advance(upload):
        upload = step
    return upload


def held(hub: RunningHub, analysis_id: UUID) -> dict[str, str]:
    """Name and hash of every file that the hub holds for an analysis."""
    return {file["path"]: file["sha256"] for file in hub.uploads() if file["analysis_id"] == str(analysis_id)}


@pytest.mark.parametrize("profile", ["0.8.21", "0.8.30", "0.13"])
async def test_file_of_another_node_is_not_taken_back(
    dev_hub: HubFactory, node_env: EnvironmentFactory, profile: Profile
) -> None:
    hub = dev_hub(profile)
    analysis_id = hub.new_analysis().id
    async with running(node_env, hub, flow="password") as other, running(node_env, hub) as agent:
        theirs = await stored(other, analysis_id, UploadKind.INTERMEDIATE)
        assert theirs.bucket is not None
        file = await other.hub.storage.upload(
            theirs.bucket.storage_bucket_id, name=NAME, size=len(CONTENT), chunks=lambda: pieces(CONTENT)
        )
        # Killed right after it has noted the name, so nobody knows how far it came.
        ours = await agent.outbox.begin(await stored(agent, analysis_id, UploadKind.INTERMEDIATE), None)
        ours = await agent.outbox.begin_upload(ours, NAME)
        await agent.outbox.retract(ours, "killed")
        (claimed,) = await agent.outbox.claim(1)
        assert (await advanced(agent, claimed)).state is UploadState.RETRACTED
        assert await agent.hub.storage.get_file(file.id) is not None


@pytest.mark.parametrize("profile", ["0.8.21", "0.8.30", "0.13"])
async def test_file_of_another_node_is_not_taken_for_the_own_one(
    dev_hub: HubFactory, node_env: EnvironmentFactory, profile: Profile
) -> None:
    hub = dev_hub(profile)
    analysis_id = hub.new_analysis().id
    async with running(node_env, hub, flow="password") as other, running(node_env, hub) as agent:
        theirs = await stored(other, analysis_id, UploadKind.INTERMEDIATE)
        assert theirs.bucket is not None
        file = await other.hub.storage.upload(
            theirs.bucket.storage_bucket_id, name=NAME, size=len(CONTENT), chunks=lambda: pieces(CONTENT)
        )
        ours = await agent.outbox.begin(await stored(agent, analysis_id, UploadKind.INTERMEDIATE), None)
        ours = await advanced(agent, await agent.outbox.begin_upload(ours, NAME))
        assert ours.state is UploadState.DELIVERED
        assert ours.hub_file_id != file.id
        assert len(held(hub, analysis_id)) == 2


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("profile", ["0.8.21", "0.8.30", "0.13"])
async def test_equal_final_result_of_another_node_is_not_taken_for_the_own_one(
    dev_hub: HubFactory, node_env: EnvironmentFactory, profile: Profile, begun: bool
) -> None:
    hub = dev_hub(profile)
    analysis_id = hub.new_analysis().id
    async with running(node_env, hub, flow="password") as other, running(node_env, hub) as agent:
        theirs = await stored(other, analysis_id, UploadKind.FINAL)
        assert theirs.bucket is not None
        file = await other.hub.storage.upload(
            theirs.bucket.storage_bucket_id, name=NAME, size=len(CONTENT), chunks=lambda: pieces(CONTENT)
        )
        await agent.outbox.enqueue(await stored(agent, analysis_id, UploadKind.FINAL))
        (ours,) = await agent.outbox.claim(1)
        if begun:
            ours = await agent.outbox.begin_upload(ours, NAME)
        ours = await advanced(agent, ours)
        assert ours.state is UploadState.DELIVERED
        assert ours.hub_file_id is not None
        assert ours.hub_file_id != file.id
        own = await agent.hub.storage.get_file(ours.hub_file_id)
        assert own is not None
        assert not agent.hub.storage.is_of_another_node(own)
        assert own.path == ours.hub_path != NAME
    assert set(held(hub, analysis_id)) == {NAME, ours.hub_path}


@pytest.mark.parametrize("profile", ["0.8.21", "0.8.30", "0.13"])
async def test_own_final_result_is_found_again_when_its_answer_was_lost(
    dev_hub: HubFactory, node_env: EnvironmentFactory, profile: Profile
) -> None:
    hub = dev_hub(profile)
    analysis_id = hub.new_analysis().id
    async with running(node_env, hub) as agent:
        await agent.outbox.enqueue(await stored(agent, analysis_id, UploadKind.FINAL))
        (ours,) = await agent.outbox.claim(1)
        hub.fault(match="/upload", lose_reply=True, count=1)
        with pytest.raises(HubError):
            await advanced(agent, ours)
        begun = await agent.outbox.find(ours.upload_id)
        assert begun is not None
        assert (await advanced(agent, begun)).state is UploadState.DELIVERED
    assert list(held(hub, analysis_id)) == [NAME]


@pytest.mark.parametrize("profile", ["0.8.21", "0.8.30", "0.13"])
async def test_own_file_is_taken_back_when_its_answer_was_lost(
    dev_hub: HubFactory, node_env: EnvironmentFactory, profile: Profile
) -> None:
    hub = dev_hub(profile)
    analysis_id = hub.new_analysis().id
    async with running(node_env, hub) as agent:
        ours = await agent.outbox.begin(await stored(agent, analysis_id, UploadKind.INTERMEDIATE), None)
        hub.fault(match="/upload", lose_reply=True, count=1)
        with pytest.raises(HubError):
            await advanced(agent, ours)
        assert list(held(hub, analysis_id)) == [NAME]
        await agent.outbox.retract(ours, "killed")
        (claimed,) = await agent.outbox.claim(1)
        assert (await advanced(agent, claimed)).state is UploadState.RETRACTED
        assert held(hub, analysis_id) == {}


async def test_two_files_of_one_name_never_meet_at_a_hub_that_overwrites(
    dev_hub: HubFactory, node_env: EnvironmentFactory
) -> None:
    hub = dev_hub("0.8.21")
    analysis_id = hub.new_analysis().id
    contents = [b"first", b"second"]
    async with running(node_env, hub) as agent:
        for content in contents:
            await agent.outbox.enqueue(await stored(agent, analysis_id, UploadKind.FINAL, content))
        uploads = await agent.outbox.claim(2)
        # Both have looked before either has arrived.
        hub.fault(match="POST /storage/buckets/*", latency=0.5)
        delivered = await asyncio.gather(*(advanced(agent, upload) for upload in uploads))
    hub.clear_faults()
    assert {upload.state for upload in delivered} == {UploadState.DELIVERED}
    assert sorted(held(hub, analysis_id).values()) == sorted(
        hashlib.sha256(content).hexdigest() for content in contents
    )


@pytest.mark.parametrize("answer", [{"status": 403}, {"status": 503}, {"status": 200}, {"down": True}])
async def test_what_has_left_is_in_the_ledger_although_the_hub_does_not_tell_the_project(
    dev_hub: HubFactory, node_env: EnvironmentFactory, answer: dict[str, object]
) -> None:
    hub = dev_hub("0.8.30")
    analysis_id = hub.new_analysis().id
    async with running(node_env, hub) as agent:
        await agent.outbox.enqueue(await stored(agent, analysis_id, UploadKind.FINAL))
        (upload,) = await agent.outbox.claim(1)
        hub.fault(match="GET /core/analyses/*", **answer)
        delivered = await advanced(agent, upload)
        hub.clear_faults()
        assert delivered.state is UploadState.DELIVERED
        (row,) = await agent.database.execute("SELECT project_id, size FROM egress_ledger")
    assert (row["project_id"], row["size"]) == (None, len(CONTENT))


async def test_departure_is_noted_at_once_while_core_is_away_and_never_read_back(
    dev_hub: HubFactory, node_env: EnvironmentFactory
) -> None:
    hub = dev_hub("0.8.21")
    analysis_id = hub.new_analysis().id
    async with running(node_env, hub) as agent:
        await agent.outbox.enqueue(await stored(agent, analysis_id, UploadKind.FINAL))
        (upload,) = await agent.outbox.claim(1)
        hub.fault(match="/stream", status=500)
        hub.fault(match="* /core/*", status=503)
        for _ in range(2):  # the link needs core, so no attempt comes to the end
            with pytest.raises(HubUnavailable):
                await advanced(agent, upload)
            noted = await agent.outbox.find(upload.upload_id)
            assert noted is not None
            assert noted.state is UploadState.UPLOADED
            upload = noted
        hub.clear_faults()
        assert (await advanced(agent, upload)).state is UploadState.DELIVERED
        assert len(await agent.database.execute("SELECT 1 FROM egress_ledger")) == 1
    assert list(held(hub, analysis_id)) == [NAME]


async def test_known_project_is_in_the_ledger(dev_hub: HubFactory, node_env: EnvironmentFactory) -> None:
    hub = dev_hub("0.8.30")
    analysis = hub.new_analysis()
    async with running(node_env, hub) as agent:
        await agent.outbox.enqueue(await stored(agent, analysis.id, UploadKind.FINAL))
        (upload,) = await agent.outbox.claim(1)
        await advanced(agent, upload)
        (row,) = await agent.database.execute("SELECT project_id FROM egress_ledger")
    assert row["project_id"] == analysis.project_id


async def test_file_is_taken_back_although_the_hub_does_not_tell_the_project(
    dev_hub: HubFactory, node_env: EnvironmentFactory
) -> None:
    hub = dev_hub("0.8.30")
    analysis_id = hub.new_analysis().id
    async with running(node_env, hub) as agent:
        ours = await agent.outbox.begin(await stored(agent, analysis_id, UploadKind.INTERMEDIATE), None)
        hub.fault(match="/upload", lose_reply=True, count=1)
        hub.fault(match="GET /core/analyses/*", status=503)
        with pytest.raises(HubError):
            await advanced(agent, ours)
        await agent.outbox.retract(ours, "killed")
        (claimed,) = await agent.outbox.claim(1)
        assert (await advanced(agent, claimed)).state is UploadState.RETRACTED
        hub.clear_faults()
        assert held(hub, analysis_id) == {}
        assert len(await agent.database.execute("SELECT 1 FROM egress_ledger")) == 1


@pytest.mark.parametrize("kind", UploadKind)
async def test_file_without_its_bytes_is_not_taken_for_the_own_one(
    dev_hub: HubFactory, node_env: EnvironmentFactory, kind: UploadKind
) -> None:
    hub = dev_hub("0.13")
    analysis_id = hub.new_analysis().id
    async with running(node_env, hub) as agent:
        ours = await agent.outbox.begin(await stored(agent, analysis_id, kind), None)
        hub.fault(match="/upload", lose_reply=True, count=1)
        with pytest.raises(HubError):
            await advanced(agent, ours)
        begun = await agent.outbox.find(ours.upload_id)
        assert begun is not None
        hub.fault(match="/stream", status=404, count=1)
        ours = await advanced(agent, begun)
        assert ours.state is UploadState.DELIVERED
        assert ours.hub_path != NAME
    assert len(held(hub, analysis_id)) == 2


async def test_file_without_its_bytes_is_no_leftover(
    dev_hub: HubFactory, node_env: EnvironmentFactory
) -> None:
    hub = dev_hub("0.13")
    analysis_id = hub.new_analysis().id
    async with running(node_env, hub) as agent:
        ours = await agent.outbox.begin(await stored(agent, analysis_id, UploadKind.INTERMEDIATE), None)
        hub.fault(match="/upload", lose_reply=True, count=1)
        with pytest.raises(HubError):
            await advanced(agent, ours)
        await agent.outbox.retract(ours, "killed")
        (claimed,) = await agent.outbox.claim(1)
        hub.fault(match="/stream", status=404, count=1)
        assert (await advanced(agent, claimed)).state is UploadState.RETRACTED
