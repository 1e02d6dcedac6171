"""The agent's hub clients against the development hub, in each of its releases."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest

from flame_node_agent.config.settings import load_settings
from flame_node_agent.devstack.hub_server import PROFILES
from flame_node_agent.devstack.nodes import NodeRegister
from flame_node_agent.devstack.seed import default_flow
from flame_node_agent.devstack.testing import RunningHub
from flame_node_agent.errors import (
    HubCredentialsRefused,
    HubRefused,
    HubUnavailable,
    HubUnexpected,
)
from flame_node_agent.hub.hub import Hub
from flame_node_agent.hub.retry import with_retries
from flame_node_agent.hub.transport import Transport
from flame_node_agent.wire.hub import AnalysisBucket, BucketFile, BucketKind
from tests.unit.settings_samples import COMPLETE

MEBIBYTE = 1 << 20
every_profile = pytest.mark.parametrize("profile", PROFILES)
HubFactory = Callable[..., RunningHub]


@pytest.fixture
def running(dev_hub: HubFactory, profile: str) -> Iterator[RunningHub]:
    """The session's hub of the profile under test, without faults before and after."""
    hub = dev_hub(profile)
    yield hub
    hub.clear_faults()


@asynccontextmanager
async def client_of(hub: RunningHub, flow: str | None = None, **variables: str) -> AsyncIterator[Hub]:
    login = hub.seed.auth_variables(flow or default_flow(hub.profile))
    settings = load_settings(COMPLETE | hub.urls.variables() | login | variables, env_file=None)
    transport = Transport(settings)
    client = Hub.open(settings, transport)
    try:
        yield client
    finally:
        await client.aclose()
        await transport.aclose()


@pytest.fixture
async def client(running: RunningHub) -> AsyncIterator[Hub]:
    async with client_of(running) as opened:
        yield opened


async def a_bucket(running: RunningHub, client: Hub, kind: BucketKind = BucketKind.RESULT) -> AnalysisBucket:
    """The bucket of a new analysis; the hub makes its buckets some time after the analysis."""
    analysis = running.new_analysis()
    for _ in range(100):
        try:
            bucket = await client.core.find_analysis_bucket(analysis.id, kind)
        except HubUnavailable:
            bucket = None
        if bucket is not None:
            return bucket
        await asyncio.sleep(0.05)
    raise AssertionError("the analysis got no bucket")


def content_of(size: int, seed: int = 7) -> tuple[str, Callable[[], AsyncIterator[bytes]]]:
    """The SHA-256 of random bytes, and a source of them."""
    digest, generator = hashlib.sha256(), random.Random(seed)
    for start in range(0, size, MEBIBYTE):
        digest.update(generator.randbytes(min(MEBIBYTE, size - start)))

    async def chunks() -> AsyncIterator[bytes]:
        generator = random.Random(seed)
        for start in range(0, size, MEBIBYTE):
            yield generator.randbytes(min(MEBIBYTE, size - start))

    return digest.hexdigest(), chunks


async def send(client: Hub, bucket: AnalysisBucket, name: str, size: int, seed: int = 7) -> BucketFile:
    _, chunks = content_of(size, seed)
    return await client.storage.upload(bucket.storage_bucket_id, name=name, size=size, chunks=chunks)


async def received(client: Hub, file_id: UUID) -> str:
    digest = hashlib.sha256()
    async with client.storage.stream(file_id) as chunks:
        async for chunk in chunks:
            digest.update(chunk)
    return digest.hexdigest()


def held(running: RunningHub, name: str) -> list[dict[str, Any]]:
    return [upload for upload in running.uploads() if upload["path"] == name]


@every_profile
@pytest.mark.parametrize("flow", ["password", "default"])
async def test_a_result_goes_up_is_linked_and_comes_back(
    running: RunningHub, profile: str, flow: str
) -> None:
    name = f"{uuid4()}.bin"
    digest, _ = content_of(5 * MEBIBYTE + 3)
    async with client_of(running, None if flow == "default" else flow) as client:
        bucket = await a_bucket(running, client)
        assert bucket.links_by_itself is (profile != "0.8.21")
        file = await send(client, bucket, name, 5 * MEBIBYTE + 3)
        if not bucket.links_by_itself:
            assert not await client.core.find_link(bucket, file.id)
            await client.core.link(bucket, file)
            await client.core.link(bucket, file)

        async def linked() -> None:
            if not await client.core.find_link(bucket, file.id):
                raise HubUnavailable("not linked yet")

        await with_retries(linked, deadline=20, what="test")
        assert (await client.storage.get_file(file.id)) == file
        assert (await client.storage.find_file(bucket.storage_bucket_id, path=name)) == file
        assert await received(client, file.id) == digest

    upload, *others = held(running, name)
    assert others == []
    assert (upload["sha256"], upload["size"], upload["linked"]) == (digest, 5 * MEBIBYTE + 3, True)
    assert upload["analysis_id"] == str(bucket.analysis_id)


@every_profile
async def test_records_are_got_or_are_none(running: RunningHub, client: Hub, nodes: NodeRegister) -> None:
    analysis = running.seed.analyses[0]

    found = await client.core.get_analysis(analysis.id)
    node = await client.core.get_node(nodes.own.id)
    keyless = await client.core.get_node(running.seed.keyless_node_id)

    assert found is not None
    assert found.project_id == analysis.project_id
    assert await client.core.get_project(analysis.project_id) is not None
    assert node is not None
    assert node.public_key_hex == nodes.own.public_key_pem.encode().hex()
    assert keyless is not None
    assert keyless.public_key_hex is None
    assert await client.core.get_analysis(uuid4()) is None
    assert await client.core.get_project(uuid4()) is None
    assert await client.core.get_node(uuid4()) is None
    assert await client.core.find_analysis_bucket(uuid4(), BucketKind.RESULT) is None
    assert await client.storage.get_file(uuid4()) is None


@every_profile
async def test_each_kind_of_bucket_is_another_one(running: RunningHub, client: Hub) -> None:
    first = await a_bucket(running, client, BucketKind.TEMP)
    buckets = [await client.core.find_analysis_bucket(first.analysis_id, kind) for kind in BucketKind]

    assert len({bucket.storage_bucket_id for bucket in buckets if bucket}) == 3


@every_profile
@pytest.mark.parametrize(
    "name",
    [
        "result_1a2b_260101.pkl",
        "007",
        "a,b.csv",
        "null",
        "!no",
        'quo"ted.csv',
        "back\\slash",
        "ä €.csv",
        " r ",
        "a b",
    ],
)
async def test_a_file_is_found_under_any_name(running: RunningHub, client: Hub, name: str) -> None:
    bucket = await a_bucket(running, client)
    file = await send(client, bucket, name, 10)
    await send(client, bucket, "other", 10)

    assert (await client.storage.find_file(bucket.storage_bucket_id, path=name)) == file
    assert await client.storage.find_file(bucket.storage_bucket_id, path=name + "x") is None


@every_profile
async def test_a_taken_name_is_refused_and_nothing_overwritten(
    running: RunningHub, client: Hub, profile: str
) -> None:
    bucket = await a_bucket(running, client)
    name = f"{uuid4()}.bin"
    await send(client, bucket, name, 1000)

    with pytest.raises((HubRefused, HubUnexpected)) as caught:
        await send(client, bucket, name, 2000, seed=8)

    assert caught.value.status == (500 if profile == "0.8.21" else 409)
    assert [upload["size"] for upload in held(running, name)] == [1000]


@every_profile
async def test_a_deleted_file_is_gone(running: RunningHub, client: Hub) -> None:
    bucket = await a_bucket(running, client, BucketKind.TEMP)
    file = await send(client, bucket, "short-lived", 10)

    await client.storage.delete_file(file.id)
    await client.storage.delete_file(file.id)

    assert await client.storage.get_file(file.id) is None
    with pytest.raises(HubRefused):
        async with client.storage.stream(file.id):
            pytest.fail("there is no stream")


@every_profile
async def test_an_empty_file_arrives(running: RunningHub, client: Hub) -> None:
    bucket = await a_bucket(running, client)
    file = await send(client, bucket, "empty", 0)

    assert file.size == 0
    assert await received(client, file.id) == hashlib.sha256().hexdigest()


@every_profile
async def test_a_token_the_hub_no_longer_accepts_is_replaced_within_the_call(
    running: RunningHub, client: Hub
) -> None:
    bucket = await a_bucket(running, client)
    for match in ("POST /storage/buckets", "GET /core/projects", "GET /storage/bucket-files"):
        running.fault(match=match, status=401, count=1)

    file = await send(client, bucket, f"{uuid4()}.bin", 3 * MEBIBYTE)

    assert await client.core.get_project(uuid4()) is None
    assert await received(client, file.id) == content_of(3 * MEBIBYTE)[0]


@every_profile
async def test_wrong_credentials_are_refused(running: RunningHub, profile: str) -> None:
    variable = {"HUB__AUTH__SECRET": "wrong"}
    async with client_of(running, **variable) as client:
        with pytest.raises(HubCredentialsRefused):
            await client.core.get_project(uuid4())


@every_profile
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 503, "headers": {"Retry-After": "3"}}, HubUnavailable),
        ({"status": 429}, HubUnavailable),
        ({"status": 500}, HubUnexpected),
        ({"status": 404, "html": True}, HubUnexpected),
        ({"status": 200, "html": True}, HubUnexpected),
        ({"down": True}, HubUnavailable),
        ({"lose_reply": True}, HubUnavailable),
        ({"disconnect": 5}, HubUnavailable),
        ({"status": 403}, HubRefused),
    ],
)
async def test_a_disturbed_call_fails_by_its_name_and_the_next_one_works(
    running: RunningHub, client: Hub, fault: dict[str, Any], error: type[Exception]
) -> None:
    analysis = running.seed.analyses[0]
    await client.core.get_analysis(analysis.id)
    running.fault(match="GET /core/analyses", count=1, **fault)

    with pytest.raises(error) as caught:
        await client.core.get_analysis(analysis.id)
    assert await client.core.get_analysis(analysis.id) is not None
    if isinstance(caught.value, HubUnavailable) and "headers" in fault:
        assert caught.value.retry_after == 3


@every_profile
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"disconnect": 3 * MEBIBYTE}, HubUnavailable),
        ({"disconnect": 0}, HubUnavailable),
        ({"down": True}, HubUnavailable),
        ({"lose_reply": True}, HubUnavailable),
        ({"status": 413}, HubRefused),
        ({"status": 413, "html": True}, HubUnexpected),
        ({"status": 503}, HubUnavailable),
    ],
)
async def test_a_disturbed_upload_fails_by_its_name_and_a_repeat_finds_what_is_there(
    running: RunningHub, client: Hub, fault: dict[str, Any], error: type[Exception]
) -> None:
    bucket = await a_bucket(running, client)
    name = f"{uuid4()}.bin"
    running.fault(match="POST /storage/buckets", count=1, **fault)

    with pytest.raises(error):
        await send(client, bucket, name, 20 * MEBIBYTE)

    there = await client.storage.find_file(bucket.storage_bucket_id, path=name)
    assert (there is not None) is ("lose_reply" in fault)
    if there is None:
        there = await send(client, bucket, name, 20 * MEBIBYTE)
    assert await received(client, there.id) == content_of(20 * MEBIBYTE)[0]
    assert len(held(running, name)) == 1


@every_profile
async def test_a_stream_that_breaks_is_noticed(running: RunningHub, client: Hub) -> None:
    bucket = await a_bucket(running, client)
    file = await send(client, bucket, f"{uuid4()}.bin", 10 * MEBIBYTE)
    running.fault(match="/stream", count=1, disconnect=4 * MEBIBYTE)

    with pytest.raises(HubUnavailable):
        await received(client, file.id)
    assert await received(client, file.id) == content_of(10 * MEBIBYTE)[0]


@every_profile
async def test_retries_bridge_a_short_outage(running: RunningHub, client: Hub) -> None:
    analysis = running.seed.analyses[0]
    running.fault(match="GET /core/analyses", count=3, status=502, html=True)

    found = await with_retries(lambda: client.core.get_analysis(analysis.id), deadline=20, what="test")

    assert found is not None


async def test_an_upgrade_of_the_hub_under_a_running_agent_is_noticed(dev_hub: HubFactory) -> None:
    hub = dev_hub(PROFILES[0], fresh=True)
    async with client_of(hub, "password") as client:
        bucket = await a_bucket(hub, client)
        before = await send(client, bucket, "before.bin", 100)
        for profile in PROFILES[1:]:
            hub.server.profile = profile
            hub.restart()
            started = time.monotonic()

            now = await client.core.find_analysis_bucket(bucket.analysis_id, bucket.kind)

            assert now is not None
            assert now.links_by_itself
            assert (now.id, now.storage_bucket_id) == (bucket.id, bucket.storage_bucket_id)
            file = await send(client, now, f"{profile}.bin", 100)
            assert await client.storage.find_file(now.storage_bucket_id, path=f"{profile}.bin") == file
            assert time.monotonic() - started < 20

        # Uploaded before, linked only now, by what was known before.
        await client.core.link(bucket, before)
        assert await client.core.find_link(bucket, before.id)
    hub.close()
