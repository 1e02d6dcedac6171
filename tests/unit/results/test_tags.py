"""Tags: which are valid, and what is listed under them."""

from __future__ import annotations

from uuid import UUID, uuid4

import httpx
import pytest

from flame_node_agent.results.tags import is_valid
from tests.unit.results.conftest import BASE_URL, Endpoint

Auth = dict[str, str]

INVALID = ["", " ", "-", "--", "-ab", "ab-", "-0", "0-", " -a", "a- ", f"a{'-' * 31}a", "a" * 33]
VALID = ["a", "0", "aa", "00", "a0", "0a", "result1", "result-1", "result--1", f"a{'-' * 30}a"]


@pytest.mark.parametrize("tag", INVALID)
def test_tag_is_invalid(tag: str) -> None:
    assert not is_valid(tag)


@pytest.mark.parametrize("tag", VALID)
def test_tag_is_valid(tag: str) -> None:
    assert is_valid(tag)


@pytest.mark.parametrize("tag", ["A", "ä", "a\n", "\na", "a_b", "a.b", "a b", "\u0661", "a\x00", "𝐚"])
def test_tag_with_other_characters_is_invalid(tag: str) -> None:
    assert not is_valid(tag)


async def _put(endpoint: Endpoint, auth: Auth, tag: str, name: str = "data.csv") -> httpx.Response:
    return await endpoint.client.put(
        "/local", headers=auth, files={"file": (name, b"content")}, data={"tag": tag}
    )


@pytest.mark.parametrize("tag", INVALID)
async def test_result_with_invalid_tag_is_refused(endpoint: Endpoint, auth: Auth, tag: str) -> None:
    answer = await _put(endpoint, auth, tag)
    assert (answer.status_code, answer.json()) == (400, {"detail": f"Invalid tag `{tag}`"})
    assert endpoint.objects.held == {}


async def test_tagged_result_has_a_row_in_each_table(endpoint: Endpoint, analysis: UUID, auth: Auth) -> None:
    answer = await _put(endpoint, auth, "result-1")
    object_id, project = UUID(answer.json()["url"].split("/")[-1]), endpoint.hub.projects[analysis]
    assert list(endpoint.objects.held) == [f"local/{project}/{object_id}"]
    assert endpoint.local_results.result_rows == {(object_id, analysis): "data.csv"}
    assert endpoint.local_results.tag_rows == [(project, "result-1")]
    assert endpoint.local_results.tagged_rows == [(project, "result-1", object_id, analysis)]


async def test_tag_and_its_result_are_listed(endpoint: Endpoint, auth: Auth) -> None:
    put = await _put(endpoint, auth, "result-1")
    for path in ("/local/tags", "/local/tags/"):
        tags = await endpoint.client.get(path, headers=auth)
        assert tags.json() == {"tags": [{"name": "result-1", "url": f"{BASE_URL}/local/tags/result-1"}]}
    for path in ("/local/tags/result-1", "/local/tags/result-1/"):
        results = await endpoint.client.get(path, headers=auth)
        assert results.json() == {"results": [{"filename": "data.csv", "url": put.json()["url"]}]}


async def test_results_are_listed_in_the_order_of_their_tagging(endpoint: Endpoint, auth: Auth) -> None:
    names = [f"{number}.csv" for number in range(5)]
    for name in [*names, names[0]]:
        await _put(endpoint, auth, "run", name)
    results = (await endpoint.client.get("/local/tags/run", headers=auth)).json()["results"]
    assert [result["filename"] for result in results] == [*names, names[0]]


async def test_tags_belong_to_the_project(endpoint: Endpoint, analysis: UUID, auth: Auth) -> None:
    await _put(endpoint, auth, "run")
    same = endpoint.auth(endpoint.hub.add_analysis(endpoint.hub.projects[analysis]))
    other = endpoint.auth(endpoint.hub.add_analysis())
    assert len((await endpoint.client.get("/local/tags", headers=same)).json()["tags"]) == 1
    assert len((await endpoint.client.get("/local/tags/run", headers=same)).json()["results"]) == 1
    assert (await endpoint.client.get("/local/tags", headers=other)).json() == {"tags": []}
    assert (await endpoint.client.get("/local/tags/run", headers=other)).json() == {"results": []}


@pytest.mark.parametrize("tag", ["unknown", "-", "A", "a%00b", "x" * 300])
async def test_tag_that_nobody_has_used_has_no_results(endpoint: Endpoint, auth: Auth, tag: str) -> None:
    answer = await endpoint.client.get(f"/local/tags/{tag}", headers=auth)
    assert (answer.status_code, answer.json()) == (200, {"results": []})


async def test_database_is_not_asked_for_a_tag_that_cannot_be(endpoint: Endpoint, auth: Auth) -> None:
    endpoint.staging.database_away = True
    answer = await endpoint.client.get("/local/tags/a%00b", headers=auth)
    assert (answer.status_code, answer.json()) == (200, {"results": []})


async def test_result_with_tag_of_unknown_analysis_is_refused(endpoint: Endpoint) -> None:
    stranger = uuid4()
    answer = await _put(endpoint, endpoint.auth(stranger), "run")
    assert (answer.status_code, answer.json()) == (404, {"detail": f"Analysis with ID {stranger} not found"})


@pytest.mark.parametrize("path", ["/local/tags", "/local/tags/foobar", "/local/tags/-"])
async def test_tags_of_unknown_analysis_are_refused(endpoint: Endpoint, path: str) -> None:
    stranger = uuid4()
    answer = await endpoint.client.get(path, headers=endpoint.auth(stranger))
    assert (answer.status_code, answer.json()) == (404, {"detail": f"Analysis with ID {stranger} not found"})


async def test_database_that_is_away_is_told(endpoint: Endpoint, auth: Auth) -> None:
    endpoint.staging.database_away = True
    for path in ("/local/tags", "/local/tags/run"):
        answer = await endpoint.client.get(path, headers=auth)
        assert (answer.status_code, answer.json()["detail"]) == (503, "The database is unavailable")
        assert int(answer.headers["Retry-After"]) >= 1


# POST /local/tags


async def _untagged(endpoint: Endpoint, auth: Auth) -> str:
    answer = await endpoint.client.put("/local", headers=auth, files={"file": b"content"})
    object_id: str = answer.json()["object_id"]
    return object_id


@pytest.mark.parametrize("path", ["/local/tags", "/local/tags/"])
async def test_stored_result_can_be_tagged_and_repeating_it_changes_nothing(
    endpoint: Endpoint, auth: Auth, path: str
) -> None:
    object_id = await _untagged(endpoint, auth)
    params = {"tag_name": "run", "object_id": object_id, "filename": "a.csv"}
    for _ in range(2):
        answer = await endpoint.client.post(path, headers=auth, params=params)
        assert (answer.status_code, answer.json()) == (
            200,
            {"filename": "a.csv", "url": f"{BASE_URL}/local/{object_id}"},
        )
    results = (await endpoint.client.get("/local/tags/run", headers=auth)).json()["results"]
    assert [result["filename"] for result in results] == ["a.csv"]


async def test_other_filename_for_a_tagged_result_is_refused(
    endpoint: Endpoint, analysis: UUID, auth: Auth
) -> None:
    object_id = await _untagged(endpoint, auth)
    params = {"tag_name": "run", "object_id": object_id, "filename": "a.csv"}
    await endpoint.client.post("/local/tags", headers=auth, params=params)
    answer = await endpoint.client.post("/local/tags", headers=auth, params={**params, "filename": "b.csv"})
    assert (answer.status_code, answer.json()) == (
        400,
        {
            "detail": f"The object ID {object_id} is already persisted for analysis {analysis}, but with a"
            " different filename than b.csv."
        },
    )


async def test_tagging_without_filename_keeps_the_known_one(endpoint: Endpoint, auth: Auth) -> None:
    unnamed = await _untagged(endpoint, auth)
    answer = await endpoint.client.post(
        "/local/tags", headers=auth, params={"tag_name": "run", "object_id": unnamed}
    )
    assert answer.json()["filename"] == "data.bin"
    named = (await _put(endpoint, auth, "first")).json()["object_id"]
    answer = await endpoint.client.post(
        "/local/tags", headers=auth, params={"tag_name": "second", "object_id": named, "filename": ""}
    )
    assert answer.json()["filename"] == "data.csv"


async def test_tagging_what_the_project_does_not_have_is_refused(endpoint: Endpoint, auth: Auth) -> None:
    stranger = endpoint.auth(endpoint.hub.add_analysis())
    for object_id, caller in ((str(uuid4()), auth), (await _untagged(endpoint, auth), stranger)):
        answer = await endpoint.client.post(
            "/local/tags", headers=caller, params={"tag_name": "-", "object_id": object_id}
        )
        assert (answer.status_code, answer.json()["detail"]) == (
            404,
            f"Object with ID {object_id} does not exist",
        )


@pytest.mark.parametrize(
    ("params", "status", "told"),
    [
        ({"tag_name": "-"}, 400, "Invalid tag `-`"),
        ({"tag_name": "run", "filename": "a\x00"}, 400, "The file name must not contain NUL characters"),
        ({"tag_name": "run", "filename": "ü" * 2049}, 400, "The file name is longer than 4096 bytes"),
        ({}, 422, None),
        ({"tag_name": "run", "object_id": "no-uuid"}, 422, None),
    ],
)
async def test_tagging_with_bad_parameters_is_refused(
    endpoint: Endpoint, auth: Auth, params: dict[str, str], status: int, told: str | None
) -> None:
    object_id = await _untagged(endpoint, auth)
    answer = await endpoint.client.post(
        "/local/tags", headers=auth, params={"object_id": object_id, **params}
    )
    assert answer.status_code == status
    assert told is None or answer.json() == {"detail": told}
    assert endpoint.local_results.tag_rows == []
