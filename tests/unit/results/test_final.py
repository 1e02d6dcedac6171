"""Final results: accepted when they are safe here."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from flame_node_agent.errors import (
    HubCredentialsRefused,
    HubError,
    HubRefused,
    HubUnavailable,
    HubUnexpected,
)
from flame_node_agent.results import intake
from flame_node_agent.stores.uploads import UploadKind
from flame_node_agent.wire.hub import BucketKind
from tests.unit.results.conftest import Endpoint, MakeEndpoint
from tests.unit.results.multipart_samples import body, content_type, field, file

Auth = dict[str, str]
both_spellings = pytest.mark.parametrize("path", ["/final", "/final/"])


@both_spellings
async def test_final_result_is_stored_and_queued_before_the_answer(
    endpoint: Endpoint, analysis: UUID, auth: Auth, path: str
) -> None:
    content = bytes(range(256)) * 100
    answer = await endpoint.client.put(
        path, headers=auth, files={"file": ("model.pkl", content, "application/x-pickle")}
    )
    assert (answer.status_code, answer.content) == (204, b"")
    upload = endpoint.outbox.new[UUID(answer.headers["X-Upload-Id"])]
    assert endpoint.objects.held[f"outbox/{upload.upload_id}"] == (content, "application/x-pickle")
    assert (upload.kind, upload.analysis_id, upload.filename) == (UploadKind.FINAL, analysis, "model.pkl")
    assert (upload.size, upload.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert upload.bucket == endpoint.hub.buckets[analysis, BucketKind.RESULT]
    assert upload.owns_object
    assert endpoint.left_behind == []


async def test_final_result_of_unknown_analysis_is_refused(endpoint: Endpoint) -> None:
    stranger = uuid4()
    answer = await endpoint.client.put("/final", headers=endpoint.auth(stranger), files={"file": b"x"})
    assert answer.status_code == 404
    assert answer.json() == {"detail": f"Result bucket for analysis with ID {stranger} was not found"}
    assert endpoint.objects.held == {}
    assert endpoint.left_behind == []
    assert endpoint.staging.staged == []


async def test_client_that_is_no_analysis_is_refused_without_asking_the_hub(endpoint: Endpoint) -> None:
    answer = await endpoint.client.put("/final", headers=endpoint.auth("flame"), files={"file": b"x"})
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        "Result bucket for analysis with ID flame was not found",
    )
    assert endpoint.hub.asked == []


@pytest.mark.parametrize(
    "failure",
    [HubUnavailable("down"), HubUnexpected(500), HubUnexpected(None), HubCredentialsRefused("no")],
    ids=repr,
)
async def test_final_result_is_accepted_while_the_hub_is_away(
    endpoint: Endpoint, analysis: UUID, auth: Auth, failure: HubError
) -> None:
    endpoint.hub.failure = failure
    answer = await endpoint.client.put("/final", headers=auth, files={"file": b"x"})
    assert answer.status_code == 204
    upload = endpoint.outbox.new[UUID(answer.headers["X-Upload-Id"])]
    assert (upload.analysis_id, upload.bucket) == (analysis, None)


async def test_hub_that_refuses_the_question_is_told(endpoint: Endpoint, auth: Auth) -> None:
    endpoint.hub.failure = HubRefused(400, "bad_request", "no such filter")
    answer = await endpoint.client.put("/final", headers=auth, files={"file": b"x"})
    assert (answer.status_code, answer.json()["detail"]) == (
        502,
        "Hub returned an unexpected response (400)",
    )
    assert endpoint.left_behind == []


async def test_hub_is_asked_within_the_deadline_of_the_settings(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint(RESULTS__LOOKUP_DEADLINE_SECONDS="1.5")
    await endpoint.client.put(
        "/final", headers=endpoint.auth(endpoint.hub.add_analysis()), files={"file": b"x"}
    )
    assert endpoint.knowledge.deadlines == [1.5]


async def test_empty_final_result_is_accepted(endpoint: Endpoint, auth: Auth) -> None:
    answer = await endpoint.client.put("/final", headers=auth, files={"file": ("empty", b"")})
    assert answer.status_code == 204


async def test_other_fields_are_ignored(endpoint: Endpoint, auth: Auth) -> None:
    answer = await endpoint.client.put(
        "/final", headers=auth, files={"file": b"x", "more": b"y"}, data={"tag": "-", "epsilon": "x"}
    )
    assert answer.status_code == 204


async def test_final_result_without_file_is_refused(endpoint: Endpoint, auth: Auth) -> None:
    missing = [{"type": "missing", "loc": ["body", "file"], "msg": "Field required", "input": None}]
    for request in ({}, {"data": {"file": "x"}}, {"files": {"other": b"x"}}, {"json": {"file": "x"}}):
        answer = await endpoint.client.put("/final", headers=auth, **request)
        assert (answer.status_code, answer.json()) == (422, {"detail": missing})


async def test_file_sent_as_text_is_refused(endpoint: Endpoint, auth: Auth) -> None:
    answer = await endpoint.client.put(
        "/final", headers={**auth, **content_type()}, content=body(field("file", "text"))
    )
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["msg"] == "Value error, Expected UploadFile, received: <class 'str'>"


async def test_missing_file_is_told_before_the_unknown_analysis(endpoint: Endpoint) -> None:
    answer = await endpoint.client.put("/final", headers=endpoint.auth(uuid4()), files={"other": b"x"})
    assert answer.status_code == 422


async def test_second_file_behind_the_first_is_told_before_the_unknown_analysis(endpoint: Endpoint) -> None:
    sent = body(file(b"one"), file(b"two"))
    headers = {**endpoint.auth(uuid4()), **content_type()}
    answer = await endpoint.client.put("/final", headers=headers, content=sent)
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "header", ["multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary=""']
)
async def test_form_without_boundary_is_refused(endpoint: Endpoint, auth: Auth, header: str) -> None:
    answer = await endpoint.client.put(
        "/final", headers={**auth, "Content-Type": header}, content=body(file())
    )
    assert (answer.status_code, answer.json()["detail"]) == (400, "Missing boundary in multipart.")


async def test_overlong_boundary_is_refused(endpoint: Endpoint, auth: Auth) -> None:
    headers = {**auth, **content_type("b" * 257)}
    answer = await endpoint.client.put("/final", headers=headers, content=b"x")
    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        "The multipart boundary is longer than 256 bytes",
    )


async def test_truncated_body_leaves_nothing(endpoint: Endpoint, auth: Auth) -> None:
    answer = await endpoint.client.put(
        "/final", headers={**auth, **content_type()}, content=body(file(b"x" * 1000))[:-20]
    )
    assert answer.status_code == 400
    assert endpoint.outbox.new == {}
    assert endpoint.left_behind == []


async def test_store_that_is_away_is_told_to_come_back(endpoint: Endpoint, auth: Auth) -> None:
    endpoint.objects.away = True
    answer = await endpoint.client.put("/final", headers=auth, files={"file": b"x"})
    assert (answer.status_code, answer.json()["detail"]) == (503, "The object store is unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert endpoint.left_behind == []


async def test_database_that_is_away_is_told_to_come_back(endpoint: Endpoint, auth: Auth) -> None:
    endpoint.staging.database_away = True
    answer = await endpoint.client.put("/final", headers=auth, files={"file": b"x"})
    assert (answer.status_code, answer.json()["detail"]) == (503, "The database is unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


async def test_database_that_goes_away_before_the_commit_leaves_nothing(
    endpoint: Endpoint, auth: Auth
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield body(file(b"x" * 1000))[:500]
        endpoint.staging.database_away = True
        yield body(file(b"x" * 1000))[500:]

    answer = await endpoint.client.put("/final", headers={**auth, **content_type()}, content=chunks())
    assert answer.status_code == 503
    assert endpoint.objects.held == {}


@pytest.mark.parametrize("size", [0, 1, 1000])
async def test_file_up_to_the_limit_is_accepted(make_endpoint: MakeEndpoint, size: int) -> None:
    endpoint = make_endpoint(RESULTS__MAX_UPLOAD_BYTES="1000")
    auth = endpoint.auth(endpoint.hub.add_analysis())
    answer = await endpoint.client.put("/final", headers=auth, files={"file": ("f", b"x" * size)})
    assert answer.status_code == 204


async def test_too_large_file_is_refused_while_it_arrives(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint(RESULTS__MAX_UPLOAD_BYTES="1000")
    auth = endpoint.auth(endpoint.hub.add_analysis())

    async def chunks() -> AsyncIterator[bytes]:
        yield body(file(b"x" * 5000))[:4000]
        await asyncio.sleep(0)
        raise AssertionError("the rest was read")

    answer = await endpoint.client.put(
        "/final", headers={**auth, **content_type(), "Transfer-Encoding": "chunked"}, content=chunks()
    )
    assert (answer.status_code, answer.json()["detail"]) == (
        413,
        "The file is larger than the 1000 bytes that this node accepts",
    )
    assert endpoint.objects.held == {}
    assert endpoint.left_behind == []


async def test_too_large_request_is_refused_by_its_announced_length(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint(RESULTS__MAX_UPLOAD_BYTES="1000")
    auth = endpoint.auth(endpoint.hub.add_analysis())

    async def chunks() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    answer = await endpoint.client.put(
        "/final", headers={**auth, **content_type(), "Content-Length": "5000000000"}, content=chunks()
    )
    assert answer.status_code == 413
    assert endpoint.staging.staged == []


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "a/b\\c",
        "%2e%2e",
        "name\twith\ttabs",
        "結果",
        "a" * 4000,
        ".",
        "-",
        "'; DROP TABLE",
    ],
)
async def test_hostile_file_name_is_data_and_no_path(endpoint: Endpoint, auth: Auth, name: str) -> None:
    sent = body(file(b"x", name.replace("\\", "\\\\")))
    answer = await endpoint.client.put("/final", headers={**auth, **content_type()}, content=sent)
    assert answer.status_code == 204
    upload = endpoint.outbox.new[UUID(answer.headers["X-Upload-Id"])]
    assert upload.filename == name
    assert list(endpoint.objects.held) == [f"outbox/{upload.upload_id}"]


@pytest.mark.parametrize("name", ["a" * 4097, "a\x00b"])
async def test_file_name_that_cannot_be_stored_is_refused(endpoint: Endpoint, auth: Auth, name: str) -> None:
    headers = {**auth, **content_type()}
    answer = await endpoint.client.put("/final", headers=headers, content=body(file(b"x", name)))
    assert answer.status_code == 400
    assert "file name" in answer.json()["detail"]
    assert endpoint.left_behind == []


async def test_file_without_name_is_called_data_bin(endpoint: Endpoint, auth: Auth) -> None:
    headers = {**auth, **content_type()}
    answer = await endpoint.client.put("/final", headers=headers, content=body(file(b"x", "")))
    assert endpoint.outbox.new[UUID(answer.headers["X-Upload-Id"])].filename == "data.bin"


async def test_slow_hub_does_not_hold_up_the_body(
    endpoint: Endpoint, analysis: UUID, auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "HEAD_START_SECONDS", 0.01)
    arrived, real = asyncio.Event(), endpoint.knowledge.bucket_of

    async def slow(*asked: object) -> object:
        await arrived.wait()
        return await real(*asked)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(endpoint.knowledge, "bucket_of", slow)

    async def chunks() -> AsyncIterator[bytes]:
        yield body(file(b"x" * 1000))[:-10]
        arrived.set()
        yield body(file(b"x" * 1000))[-10:]

    answer = await endpoint.client.put("/final", headers={**auth, **content_type()}, content=chunks())
    assert answer.status_code == 204
    assert [new.bucket for new in endpoint.outbox.new.values()] == [
        endpoint.hub.buckets[analysis, BucketKind.RESULT]
    ]


async def test_late_no_of_the_hub_ends_the_storing(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "HEAD_START_SECONDS", 0.01)
    stranger, told = uuid4(), asyncio.Event()

    async def slow(*_asked: object) -> None:
        await told.wait()

    monkeypatch.setattr(endpoint.knowledge, "bucket_of", slow)

    async def chunks() -> AsyncIterator[bytes]:
        yield body(file(b"x" * 1000))[:500]
        told.set()
        await asyncio.sleep(0.01)
        yield body(file(b"x" * 1000))[500:]

    headers = {**endpoint.auth(stranger), **content_type()}
    answer = await endpoint.client.put("/final", headers=headers, content=chunks())
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        f"Result bucket for analysis with ID {stranger} was not found",
    )
    assert len(endpoint.staging.staged) == 1
    assert endpoint.objects.written == []
    assert endpoint.left_behind == []


async def test_file_name_is_logged_at_debug_only(endpoint: Endpoint, auth: Auth) -> None:
    with capture_logs() as logs:
        await endpoint.client.put("/final", headers=auth, files={"file": ("patient-mueller.csv", b"x")})
    telling = [entry for entry in logs if "mueller" in repr(entry)]
    assert [entry["log_level"] for entry in telling] == [logging.getLevelName(logging.DEBUG).lower()]
