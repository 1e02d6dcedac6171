"""The link between a file and its analysis."""

from __future__ import annotations

import time
from uuid import UUID, uuid4

import pytest
import respx

from flame_node_agent.errors import HubRefused, HubUnavailable, HubUnexpected
from flame_node_agent.hub.dialect import Dialect
from flame_node_agent.hub.hub import Hub
from flame_node_agent.wire.hub import AnalysisBucket, BucketFile, BucketKind
from tests.unit.hub.conftest import CORE
from tests.unit.hub.generations import Generation, refusal
from tests.unit.hub.test_core import ANALYSIS, STRANGER, Serve, every_dialect, serve

__all__ = ["serve"]  # a fixture

FILE = BucketFile(id=UUID(int=0xF), name="r.csv", path="r.csv", size=3, bucket_id=UUID(int=0x5))


def bucket(dialect: Dialect) -> AnalysisBucket:
    return AnalysisBucket(
        id=UUID(int=0xAB),
        analysis_id=ANALYSIS,
        kind=BucketKind.RESULT,
        storage_bucket_id=FILE.bucket_id,
        links_by_itself=dialect.links_by_itself,
    )


def add_link(generation: Generation, file_id: UUID, analysis_id: UUID | None = ANALYSIS) -> None:
    legacy = generation.dialect is Dialect.LEGACY
    record = {"external_id" if legacy else "bucket_file_id": file_id, "bucket_id": uuid4(), "name": "x"}
    owner = {"analysis_id": analysis_id} if analysis_id else {}
    generation.add("analysis-bucket-files", id=uuid4(), **record, **owner)


@every_dialect
@pytest.mark.parametrize("rejects", [False, True])
async def test_a_link_is_found_among_many(serve: Serve, hub: Hub, dialect: Dialect, rejects: bool) -> None:
    generation = serve(dialect, rejects_unknown_filters=rejects)
    add_link(generation, FILE.id)
    for _ in range(130):
        add_link(generation, uuid4())

    assert await hub.core.find_link(bucket(dialect), FILE.id)
    assert not await hub.core.find_link(bucket(dialect), uuid4())


@every_dialect
async def test_a_new_link_is_found_on_the_first_page(serve: Serve, hub: Hub, dialect: Dialect) -> None:
    generation = serve(dialect)
    for _ in range(130):
        add_link(generation, uuid4())
    add_link(generation, FILE.id)
    await hub.core.find_link(bucket(dialect), uuid4())  # the spelling is known now
    before = len(generation.requests)

    assert await hub.core.find_link(bucket(dialect), FILE.id)
    assert len(generation.requests) == before + 1


@every_dialect
async def test_a_link_to_another_analysis_does_not_count(serve: Serve, hub: Hub, dialect: Dialect) -> None:
    generation = serve(dialect, ignores_filters=True)
    add_link(generation, FILE.id, STRANGER)

    assert not await hub.core.find_link(bucket(dialect), FILE.id)


async def test_a_link_that_does_not_name_its_analysis_counts(serve: Serve, hub: Hub) -> None:
    add_link(serve(Dialect.LEGACY, ignores_filters=True), FILE.id, None)

    assert await hub.core.find_link(bucket(Dialect.LEGACY), FILE.id)


async def test_a_link_is_posted_as_the_node_result_service_does(serve: Serve, hub: Hub) -> None:
    generation = serve(Dialect.LEGACY)

    await hub.core.link(bucket(Dialect.LEGACY), FILE)

    assert generation.posted == [
        {"name": "r.csv", "external_id": str(FILE.id), "bucket_id": str(UUID(int=0xAB)), "root": False}
    ]


async def test_a_link_that_is_sent_in_time_is_the_same(serve: Serve, hub: Hub) -> None:
    generation = serve(Dialect.LEGACY)

    await hub.core.link(bucket(Dialect.LEGACY), FILE, until=time.monotonic() + 60)

    assert [link["external_id"] for link in generation.posted] == [str(FILE.id)]


async def test_a_link_that_comes_too_late_is_not_sent(serve: Serve, hub: Hub) -> None:
    generation = serve(Dialect.LEGACY)

    with pytest.raises(HubUnavailable, match="held up"):
        await hub.core.link(bucket(Dialect.LEGACY), FILE, until=time.monotonic() - 0.001)

    assert generation.posted == []


async def test_a_link_that_is_there_already_is_as_good(mocked: respx.MockRouter, hub: Hub) -> None:
    mocked.post(f"{CORE}/analysis-bucket-files").mock(return_value=refusal(409, "entity_conflict"))

    await hub.core.link(bucket(Dialect.LEGACY), FILE)


@pytest.mark.parametrize("now", [Dialect.SNAKE, Dialect.CAMEL])
async def test_a_hub_upgraded_between_upload_and_link_gets_the_link_in_its_new_form(
    serve: Serve, hub: Hub, now: Dialect
) -> None:
    generation = serve(now)
    generation.add_bucket(ANALYSIS, "RESULT", FILE.bucket_id, UUID(int=0xAB))

    await hub.core.link(bucket(Dialect.LEGACY), FILE)

    keys = ["path", "bucket_file_id", "bucket_id", "analysis_bucket_id", "root"]
    if now is Dialect.CAMEL:
        keys = ["path", "bucketFileId", "bucketId", "analysisBucketId", "root"]
    values = ["r.csv", str(FILE.id), str(FILE.bucket_id), str(UUID(int=0xAB)), False]
    assert generation.posted[1:] == [dict(zip(keys, values, strict=True))]


async def test_an_upgraded_hub_that_has_linked_the_file_is_left_alone(serve: Serve, hub: Hub) -> None:
    generation = serve(Dialect.CAMEL)
    generation.add_bucket(ANALYSIS, "RESULT", FILE.bucket_id)
    add_link(generation, FILE.id)

    await hub.core.link(bucket(Dialect.LEGACY), FILE)

    assert len(generation.posted) == 1


async def test_an_old_hub_that_refuses_the_link_refuses_it(mocked: respx.MockRouter, hub: Hub) -> None:
    generation = Generation(Dialect.LEGACY)
    generation.add_bucket(ANALYSIS, "RESULT", FILE.bucket_id)
    mocked.get(url__startswith=CORE).mock(side_effect=generation)
    post = mocked.post(f"{CORE}/analysis-bucket-files")

    post.mock(return_value=refusal(400, message="the analysis is locked"))
    with pytest.raises(HubRefused, match="locked"):
        await hub.core.link(bucket(Dialect.LEGACY), FILE)
    post.mock(return_value=refusal(403, "permission_denied"))
    with pytest.raises(HubRefused, match="permission_denied"):
        await hub.core.link(bucket(Dialect.LEGACY), FILE)
    post.mock(return_value=refusal(500))
    with pytest.raises(HubUnexpected):
        await hub.core.link(bucket(Dialect.LEGACY), FILE)
