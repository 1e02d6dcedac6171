"""What the agent asks of hub core, of each of its generations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import respx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flame_node_agent.errors import HubRefused, HubUnavailable, HubUnexpected
from flame_node_agent.hub.dialect import Dialect
from flame_node_agent.hub.hub import Hub
from flame_node_agent.wire.hub import BucketKind
from tests.unit.hub.conftest import CORE
from tests.unit.hub.generations import Generation

ANALYSIS, STRANGER = UUID(int=0xA), UUID(int=0xB)
every_dialect = pytest.mark.parametrize("dialect", list(Dialect))
Serve = Callable[..., Generation]


@pytest.fixture
def serve(mocked: respx.MockRouter) -> Serve:
    """``serve(dialect)`` answers for hub core from then on."""

    def make(dialect: Dialect, **behaviour: Any) -> Generation:
        generation = Generation(dialect, **behaviour)
        mocked.route(url__startswith=CORE, name="core").mock(side_effect=generation)
        return generation

    return make


@every_dialect
@pytest.mark.parametrize("rejects", [False, True])
@pytest.mark.parametrize("kind", list(BucketKind))
async def test_the_bucket_of_an_analysis_is_found(
    serve: Serve, hub: Hub, dialect: Dialect, rejects: bool, kind: BucketKind
) -> None:
    storage = {each: uuid4() for each in BucketKind}
    generation = serve(dialect, rejects_unknown_filters=rejects)
    ids = {each: generation.add_bucket(ANALYSIS, each, storage[each]) for each in BucketKind}
    for each in BucketKind:
        generation.add_bucket(STRANGER, each, uuid4())

    bucket = await hub.core.find_analysis_bucket(ANALYSIS, kind)

    assert bucket is not None
    assert (bucket.id, bucket.analysis_id, bucket.kind) == (ids[kind], ANALYSIS, kind)
    assert bucket.storage_bucket_id == storage[kind]
    assert bucket.links_by_itself is (dialect is not Dialect.LEGACY)


@every_dialect
@pytest.mark.parametrize("rejects", [False, True])
async def test_an_analysis_without_buckets_has_none(
    serve: Serve, hub: Hub, dialect: Dialect, rejects: bool
) -> None:
    generation = serve(dialect, rejects_unknown_filters=rejects)
    generation.add_bucket(STRANGER, "RESULT", uuid4())

    assert await hub.core.find_analysis_bucket(ANALYSIS, BucketKind.RESULT) is None


@every_dialect
async def test_an_empty_hub_has_no_bucket(serve: Serve, hub: Hub, dialect: Dialect) -> None:
    serve(dialect)

    assert await hub.core.find_analysis_bucket(ANALYSIS, BucketKind.RESULT) is None


@every_dialect
@pytest.mark.parametrize("total_known", [True, False])
async def test_a_list_that_is_not_filtered_is_paged_through_and_never_yields_a_strangers_bucket(
    serve: Serve, hub: Hub, dialect: Dialect, total_known: bool
) -> None:
    generation = serve(dialect, ignores_filters=True, total_known=total_known)
    for _ in range(120):
        generation.add_bucket(uuid4(), "RESULT", uuid4())
    own = generation.add_bucket(ANALYSIS, "RESULT", uuid4())
    for _ in range(30):
        generation.add_bucket(uuid4(), "RESULT", uuid4())

    bucket = await hub.core.find_analysis_bucket(ANALYSIS, BucketKind.RESULT)
    nobodys = await hub.core.find_analysis_bucket(uuid4(), BucketKind.RESULT)

    assert bucket is not None
    assert bucket.id == own
    assert nobodys is None


@every_dialect
async def test_the_last_of_several_buckets_wins(serve: Serve, hub: Hub, dialect: Dialect) -> None:
    generation = serve(dialect)
    for _ in range(60):
        last = generation.add_bucket(ANALYSIS, "RESULT", uuid4())

    bucket = await hub.core.find_analysis_bucket(ANALYSIS, BucketKind.RESULT)

    assert bucket is not None
    assert bucket.id == last


async def test_the_spelling_is_learned_once_and_then_used(serve: Serve, hub: Hub) -> None:
    generation = serve(Dialect.CAMEL)
    generation.add_bucket(ANALYSIS, "RESULT", uuid4())
    for _ in range(3):
        await hub.core.find_analysis_bucket(ANALYSIS, BucketKind.RESULT)

    spelled = ["filter[analysisId]" in request.url.params for request in generation.requests]
    assert spelled == [False, True, True, True]


@pytest.mark.parametrize("rejects", [False, True])
@pytest.mark.parametrize("with_schema", [False, True])
@pytest.mark.parametrize(
    "path", [[Dialect.LEGACY, Dialect.SNAKE, Dialect.CAMEL], [Dialect.CAMEL, Dialect.LEGACY]]
)
async def test_another_generation_is_noticed_at_run_time(
    serve: Serve, hub: Hub, path: list[Dialect], rejects: bool, with_schema: bool
) -> None:
    storage = uuid4()
    for dialect in path:
        generation = serve(dialect, rejects_unknown_filters=rejects, with_schema=with_schema)
        generation.add_bucket(ANALYSIS, "RESULT", storage)
        generation.add_bucket(STRANGER, "RESULT", uuid4())

        bucket = await hub.core.find_analysis_bucket(ANALYSIS, BucketKind.RESULT)

        assert bucket is not None
        assert bucket.storage_bucket_id == storage
        assert bucket.links_by_itself is (dialect is not Dialect.LEGACY)


async def test_a_bucket_whose_storage_is_not_made_yet_is_for_later(serve: Serve, hub: Hub) -> None:
    serve(Dialect.SNAKE).add_bucket(ANALYSIS, "RESULT", None)

    with pytest.raises(HubUnavailable, match="not made"):
        await hub.core.find_analysis_bucket(ANALYSIS, BucketKind.RESULT)


async def test_a_bucket_with_a_damaged_storage_id_is_not_used(serve: Serve, hub: Hub) -> None:
    generation = serve(Dialect.SNAKE)
    generation.add_bucket(ANALYSIS, "RESULT", uuid4())
    generation.records["analysis-buckets"][0]["bucket_id"] = "../../admin"

    with pytest.raises(HubUnexpected):
        await hub.core.find_analysis_bucket(ANALYSIS, BucketKind.RESULT)


async def test_a_hub_that_shows_both_spellings_of_the_storage_id_gets_its_links(
    serve: Serve, hub: Hub
) -> None:
    generation = serve(Dialect.LEGACY)
    storage = uuid4()
    generation.add_bucket(ANALYSIS, "RESULT", storage)
    generation.records["analysis-buckets"][0]["bucket_id"] = str(storage)

    bucket = await hub.core.find_analysis_bucket(ANALYSIS, BucketKind.RESULT)

    assert bucket is not None
    assert bucket.storage_bucket_id == storage
    assert not bucket.links_by_itself


@pytest.mark.parametrize("body", [[], {"data": {}}, {"data": ["x"]}, {"meta": {}}, None, "text"])
async def test_what_is_no_list_is_unexpected(mocked: respx.MockRouter, hub: Hub, body: Any) -> None:
    mocked.get(f"{CORE}/analysis-buckets").respond(200, json=body)

    with pytest.raises(HubUnexpected):
        await hub.core.find_analysis_bucket(ANALYSIS, BucketKind.RESULT)


async def test_a_list_without_an_end_is_given_up(mocked: respx.MockRouter, hub: Hub) -> None:
    def endless(_: httpx.Request) -> httpx.Response:
        data = [{"id": str(uuid4()), "analysis_id": str(STRANGER)} for _ in range(50)]
        return httpx.Response(200, json={"data": data, "meta": {}})

    mocked.get(f"{CORE}/analysis-buckets").mock(side_effect=endless)

    with pytest.raises(HubUnexpected, match="pages"):
        await hub.core.find_analysis_bucket(ANALYSIS, BucketKind.RESULT)


async def test_a_hub_that_repeats_its_first_page_is_not_asked_for_ever(
    mocked: respx.MockRouter, hub: Hub
) -> None:
    data = [{"id": str(UUID(int=i)), "analysis_id": str(STRANGER)} for i in range(50)]
    route = mocked.get(f"{CORE}/analysis-buckets").respond(200, json={"data": data, "meta": {"total": 10**9}})

    assert await hub.core.find_analysis_bucket(ANALYSIS, BucketKind.RESULT) is None
    assert route.call_count == 2


async def test_a_400_that_is_not_about_the_spelling_stays_a_refusal(
    mocked: respx.MockRouter, hub: Hub
) -> None:
    error = {"statusCode": 400, "code": "bad_request", "message": "not today"}
    route = mocked.get(f"{CORE}/analysis-buckets").respond(400, json=error)

    with pytest.raises(HubRefused, match="not today"):
        await hub.core.find_analysis_bucket(ANALYSIS, BucketKind.RESULT)
    assert route.call_count == 2


@given(
    dialects=st.lists(st.sampled_from(list(Dialect)), min_size=1, max_size=3),
    owners=st.lists(st.sampled_from([ANALYSIS, STRANGER]), max_size=70),
    rejects=st.booleans(),
    ignores=st.booleans(),
    with_schema=st.booleans(),
    total_known=st.booleans(),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_whatever_the_hub_does_the_bucket_is_the_analysis_own(
    serve: Serve,
    hub: Hub,
    dialects: list[Dialect],
    owners: list[UUID],
    rejects: bool,
    ignores: bool,
    with_schema: bool,
    total_known: bool,
) -> None:
    for dialect in dialects:
        generation = serve(
            dialect,
            rejects_unknown_filters=rejects,
            ignores_filters=ignores,
            with_schema=with_schema,
            total_known=total_known,
        )
        own = [
            bucket_id
            for owner in owners
            for kind in ("TEMP", "RESULT")
            if (bucket_id := generation.add_bucket(owner, kind, uuid4()))
            and (owner, kind) == (ANALYSIS, "RESULT")
        ]

        bucket = await hub.core.find_analysis_bucket(ANALYSIS, BucketKind.RESULT)

        assert (bucket.id if bucket else None) == (own[-1] if own else None)


@every_dialect
async def test_an_analysis_its_project_and_its_node_are_got(serve: Serve, hub: Hub, dialect: Dialect) -> None:
    generation = serve(dialect)
    project, node = uuid4(), uuid4()
    generation.add("analyses", id=ANALYSIS, name="a", project_id=project)
    generation.add("projects", id=project, name="p")
    generation.add("nodes", id=node, public_key="2d2d2d")

    analysis = await hub.core.get_analysis(ANALYSIS)
    found_node = await hub.core.get_node(node)
    found_project = await hub.core.get_project(project)

    assert analysis is not None
    assert analysis.project_id == project
    assert found_node is not None
    assert found_node.public_key_hex == "2d2d2d"
    assert found_project is not None
    assert found_project.id == project


@every_dialect
@pytest.mark.parametrize("key", [None, ""])
async def test_a_node_may_have_no_key(serve: Serve, hub: Hub, dialect: Dialect, key: str | None) -> None:
    node = uuid4()
    serve(dialect).add("nodes", id=node, public_key=key)

    found = await hub.core.get_node(node)

    assert found is not None
    assert found.public_key_hex is None


@every_dialect
async def test_what_the_hub_does_not_have_is_none(serve: Serve, hub: Hub, dialect: Dialect) -> None:
    serve(dialect)

    assert await hub.core.get_analysis(uuid4()) is None
    assert await hub.core.get_node(uuid4()) is None
    assert await hub.core.get_project(uuid4()) is None


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, html="<h1>Not Found</h1>"),
        httpx.Response(404),
        httpx.Response(404, json={"detail": "Not Found"}),
        httpx.Response(200, html="<h1>Please sign in</h1>"),
        httpx.Response(200, json={"id": str(STRANGER), "project_id": str(STRANGER)}),
        httpx.Response(200, json={"id": str(ANALYSIS), "project_id": None}),
        httpx.Response(200, json=[]),
        httpx.Response(200, json=None),
        httpx.Response(302, headers={"Location": "http://elsewhere.example/"}),
    ],
)
async def test_a_proxys_page_or_another_record_is_never_taken_for_an_answer(
    mocked: respx.MockRouter, hub: Hub, answer: httpx.Response
) -> None:
    mocked.get(f"{CORE}/analyses/{ANALYSIS}").mock(return_value=answer)

    with pytest.raises(HubUnexpected):
        await hub.core.get_analysis(ANALYSIS)


@pytest.mark.parametrize(
    "hostile", ["../admin", "", "a/b?c", "00000000-0000-0000-0000-00000000000a", None, 7]
)
async def test_nothing_but_a_uuid_reaches_a_path(serve: Serve, hub: Hub, hostile: Any) -> None:
    generation = serve(Dialect.SNAKE)

    for call in (hub.core.get_analysis, hub.core.get_node, hub.core.get_project):
        with pytest.raises(TypeError):
            await call(hostile)
    assert generation.requests == []


async def test_ids_reach_a_list_in_their_canonical_form(serve: Serve, hub: Hub) -> None:
    generation = serve(Dialect.SNAKE)
    await hub.core.find_analysis_bucket(UUID("{ABCDEF00-0000-0000-0000-00000000000A}"), BucketKind.TEMP)

    query = generation.requests[0].url.params
    assert query["filter[analysis_id]"] == "abcdef00-0000-0000-0000-00000000000a"
    assert query["filter[type]"] == "TEMP"
    assert (query["page[limit]"], query["page[offset]"]) == ("50", "0")
