"""PUT and GET /local, and /local/upload: results for the analyses of one project."""

from __future__ import annotations

import hashlib
from uuid import UUID, uuid4

import httpx
import pytest

from flame_node_agent.errors import (
    DatabaseUnavailable,
    HubCredentialsRefused,
    HubError,
    HubUnavailable,
    HubUnexpected,
)
from flame_node_agent.wire.hub import BucketKind
from tests.unit.results.conftest import BASE_URL, Endpoint, MakeEndpoint
from tests.unit.results.local_results import CONTENT, Auth, project_of, put_local
from tests.unit.results.multipart_samples import body, content_type, field, file

# PUT and GET


@pytest.mark.parametrize("path", ["/local", "/local/"])
async def test_untagged_result_is_one_object_and_no_row(
    endpoint: Endpoint, analysis: UUID, auth: Auth, path: str
) -> None:
    answer = await endpoint.client.put(path, headers=auth, files={"file": ("a.bin", CONTENT)})
    assert answer.status_code == 200
    object_id = answer.json()["object_id"]
    assert answer.json() == {"url": f"{BASE_URL}/local/{object_id}", "object_id": object_id}
    assert endpoint.objects.held == {
        f"local/{project_of(endpoint, analysis)}/{object_id}": (CONTENT, "application/octet-stream")
    }
    assert endpoint.local_results.tag_rows == []
    assert endpoint.local_results.result_rows == {}
    assert endpoint.local_results.tagged_rows == []
    assert endpoint.left_behind == []

    fetched = await endpoint.client.get(httpx.URL(answer.json()["url"]).path, headers=auth)
    assert (fetched.status_code, fetched.content) == (200, CONTENT)


async def test_unknown_object_is_not_found(endpoint: Endpoint, auth: Auth) -> None:
    unknown = uuid4()
    for path in (f"/local/{unknown}", f"/local/{unknown}/"):
        answer = await endpoint.client.get(path, headers=auth)
        assert (answer.status_code, answer.json()) == (
            404,
            {"detail": f"Object with ID {unknown} does not exist"},
        )


async def test_other_analysis_of_the_same_project_reads_the_result(
    endpoint: Endpoint, analysis: UUID, auth: Auth
) -> None:
    answer = await endpoint.client.put("/local", headers=auth, files={"file": CONTENT})
    other = endpoint.hub.add_analysis(project_of(endpoint, analysis))
    fetched = await endpoint.client.get(answer.json()["url"], headers=endpoint.auth(other))
    assert (fetched.status_code, fetched.content) == (200, CONTENT)


async def test_analysis_of_another_project_does_not_find_the_result(endpoint: Endpoint, auth: Auth) -> None:
    object_id = await put_local(endpoint, auth)
    stranger = endpoint.auth(endpoint.hub.add_analysis())
    answer = await endpoint.client.get(f"/local/{object_id}", headers=stranger)
    assert (answer.status_code, answer.json()) == (
        404,
        {"detail": f"Object with ID {object_id} does not exist"},
    )


@pytest.mark.parametrize("tag", [{}, {"tag": "a-tag"}])
async def test_unknown_analysis_is_refused(endpoint: Endpoint, tag: dict[str, str]) -> None:
    stranger = uuid4()
    for request in (
        endpoint.client.put("/local", headers=endpoint.auth(stranger), files={"file": b"x"}, data=tag),
        endpoint.client.get(f"/local/{uuid4()}", headers=endpoint.auth(stranger)),
    ):
        answer = await request
        assert (answer.status_code, answer.json()) == (
            404,
            {"detail": f"Analysis with ID {stranger} not found"},
        )
    assert endpoint.objects.held == {}


async def test_object_id_that_is_no_uuid_is_refused(endpoint: Endpoint, auth: Auth) -> None:
    answer = await endpoint.client.get("/local/..%2F..%2Fsecret", headers=auth)
    assert answer.status_code == 404
    answer = await endpoint.client.get("/local/no-uuid", headers=auth)
    assert (answer.status_code, answer.json()["detail"][0]["type"]) == (422, "uuid_parsing")


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ("text/csv", "text/csv; charset=utf-8"),
        ("text/plain; charset=latin-1", "text/plain; charset=latin-1"),
        ("application/x-pickle", "application/x-pickle"),
        (None, "application/octet-stream"),
    ],
)
async def test_content_type_is_kept(endpoint: Endpoint, auth: Auth, sent: str | None, answered: str) -> None:
    headers = [f"Content-Type: {sent}"] if sent else []
    put = await endpoint.client.put(
        "/local", headers={**auth, **content_type()}, content=body(file(CONTENT, "a", *headers))
    )
    got = await endpoint.client.get(put.json()["url"], headers=auth)
    assert got.headers["content-type"] == answered
    assert got.headers["content-length"] == str(len(CONTENT))


async def test_empty_result_comes_back_empty(endpoint: Endpoint, auth: Auth) -> None:
    object_id = await put_local(endpoint, auth, b"")
    answer = await endpoint.client.get(f"/local/{object_id}", headers=auth)
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


async def test_missing_file_is_told_before_the_unknown_analysis(endpoint: Endpoint) -> None:
    answer = await endpoint.client.put("/local", headers=endpoint.auth(uuid4()), data={"tag": "x"})
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "file"])


@pytest.mark.parametrize("first", [True, False])
async def test_invalid_tag_is_told_before_the_unknown_analysis(endpoint: Endpoint, first: bool) -> None:
    parts = [field("tag", "-ab"), file(CONTENT)]
    answer = await endpoint.client.put(
        "/local",
        headers={**endpoint.auth(uuid4()), **content_type()},
        content=body(*(parts if first else reversed(parts))),
    )
    assert (answer.status_code, answer.json()) == (400, {"detail": "Invalid tag `-ab`"})


async def test_invalid_tag_behind_the_file_leaves_nothing(endpoint: Endpoint, auth: Auth) -> None:
    answer = await endpoint.client.put(
        "/local", headers={**auth, **content_type()}, content=body(file(CONTENT), field("tag", ""))
    )
    assert (answer.status_code, answer.json()) == (400, {"detail": "Invalid tag ``"})
    assert endpoint.objects.held == {}
    assert endpoint.left_behind == []


async def test_hub_may_be_away_for_a_known_analysis(endpoint: Endpoint, auth: Auth) -> None:
    object_id = await put_local(endpoint, auth)
    endpoint.hub.failure = HubUnavailable("down")
    assert await put_local(endpoint, auth)
    assert (await endpoint.client.get(f"/local/{object_id}", headers=auth)).status_code == 200


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (HubUnavailable("down", retry_after=3), 503),
        (HubUnexpected(500), 502),
        (HubCredentialsRefused("no"), 502),
    ],
)
async def test_hub_that_cannot_be_asked_is_told(
    endpoint: Endpoint, auth: Auth, failure: HubError, status: int
) -> None:
    endpoint.hub.failure = failure
    answer = await endpoint.client.put("/local", headers=auth, files={"file": b"x"})
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == ("3" if status == 503 else None)
    assert endpoint.staging.staged == []


async def test_store_that_is_away_is_told(endpoint: Endpoint, auth: Auth) -> None:
    object_id = await put_local(endpoint, auth)
    endpoint.objects.away = True
    put = await endpoint.client.put("/local", headers=auth, files={"file": b"x"})
    assert (put.status_code, put.json()["detail"]) == (503, "The object store is unavailable")
    assert int(put.headers["Retry-After"]) >= 1
    got = await endpoint.client.get(f"/local/{object_id}", headers=auth)
    assert (got.status_code, got.json()) == (502, {"detail": "Unexpected error from object store"})


async def test_database_that_is_away_is_told(endpoint: Endpoint, auth: Auth) -> None:
    endpoint.staging.database_away = True
    put = await endpoint.client.put("/local", headers=auth, files={"file": b"x"})
    assert (put.status_code, put.json()["detail"]) == (503, "The database is unavailable")
    assert endpoint.objects.held == {}
    endpoint.knowledge.database_failure = DatabaseUnavailable("no connection")
    got = await endpoint.client.get(f"/local/{uuid4()}", headers=auth)
    assert (got.status_code, got.json()["detail"]) == (503, "The database is unavailable")
    assert int(got.headers["Retry-After"]) >= 1


async def test_too_large_file_is_refused(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint(RESULTS__MAX_UPLOAD_BYTES="100")
    auth = endpoint.auth(endpoint.hub.add_analysis())
    answer = await endpoint.client.put("/local", headers=auth, files={"file": b"x" * 101})
    assert answer.status_code == 413
    assert endpoint.objects.held == {}


# PUT /local/upload


@pytest.mark.parametrize("path", ["/local/upload", "/local/upload/"])
async def test_untagged_result_goes_to_the_hub_under_its_id(
    endpoint: Endpoint, analysis: UUID, auth: Auth, path: str
) -> None:
    object_id = await put_local(endpoint, auth)
    answer = await endpoint.client.put(path, headers=auth, params={"object_id": str(object_id)})
    assert answer.status_code == 200
    hub_id = UUID(answer.json()["object_id"])
    assert answer.json()["url"] == f"{BASE_URL}/intermediate/{hub_id}"
    assert (endpoint.hub.names[hub_id], endpoint.hub.files[hub_id]) == (str(object_id), CONTENT)
    sent = endpoint.delivery.sent[0]
    assert sent.bucket == endpoint.hub.buckets[analysis, BucketKind.TEMP]
    assert (sent.size, sent.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert not sent.owns_object
    assert (await endpoint.client.get(f"/local/{object_id}", headers=auth)).content == CONTENT


async def test_tagged_result_goes_to_the_hub_under_its_name(endpoint: Endpoint, auth: Auth) -> None:
    object_id = await put_local(endpoint, auth, tag="a-tag")
    answer = await endpoint.client.put("/local/upload", headers=auth, params={"object_id": str(object_id)})
    assert endpoint.hub.names[UUID(answer.json()["object_id"])] == "data.csv"


async def test_result_goes_to_the_hub_sealed_for_a_node(endpoint: Endpoint, auth: Auth) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    node = endpoint.hub.add_node(ec.generate_private_key(ec.SECP256R1()))
    object_id = await put_local(endpoint, auth)
    answer = await endpoint.client.put(
        "/local/upload", headers=auth, params={"object_id": str(object_id), "remote_node_id": str(node)}
    )
    assert CONTENT not in endpoint.hub.files[UUID(answer.json()["object_id"])]


async def test_result_that_cannot_go_to_the_hub_is_told(endpoint: Endpoint, auth: Auth) -> None:
    unknown = uuid4()
    answer = await endpoint.client.put("/local/upload", headers=auth, params={"object_id": str(unknown)})
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        f"Object with ID {unknown} does not exist",
    )
    object_id = await put_local(endpoint, auth)
    for node, status in (("no-uuid", 404), (str(endpoint.hub.add_node(None)), 400)):
        answer = await endpoint.client.put(
            "/local/upload", headers=auth, params={"object_id": str(object_id), "remote_node_id": node}
        )
        assert answer.status_code == status
    for params in ({}, {"object_id": "no-uuid"}):
        answer = await endpoint.client.put("/local/upload", headers=auth, params=params)
        assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["query", "object_id"])
    assert endpoint.hub.files == {}


async def test_analysis_without_temp_bucket_sends_nothing(
    endpoint: Endpoint, analysis: UUID, auth: Auth
) -> None:
    object_id = await put_local(endpoint, auth)
    del endpoint.hub.buckets[analysis, BucketKind.TEMP]
    answer = await endpoint.client.put("/local/upload", headers=auth, params={"object_id": str(object_id)})
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        f"Temp bucket for analysis with ID {analysis} was not found",
    )
