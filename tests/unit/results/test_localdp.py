"""Numbers that are made private before they leave."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from flame_node_agent.results import laplace
from tests.unit.results.conftest import Endpoint
from tests.unit.results.multipart_samples import body, content_type, field, file

Auth = dict[str, str]
PATH = "/final/localdp"
NOT_A_NUMBER = "Uploaded file must contain a single numerical value."


async def _put(endpoint: Endpoint, auth: Auth, content: bytes = b"42.0", **data: str) -> httpx.Response:
    values = {"epsilon": "1.0", "sensitivity": "1.0", **data}
    return await endpoint.client.put(
        PATH, headers=auth, files={"file": ("value.txt", content, "text/plain")}, data=values
    )


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
async def test_noisy_number_is_queued_instead_of_the_value(
    endpoint: Endpoint, analysis: UUID, auth: Auth, path: str
) -> None:
    answer = await endpoint.client.put(
        path,
        headers=auth,
        files={"file": ("value.txt", b"42.0", "text/plain")},
        data={"epsilon": "1.0", "sensitivity": "1.0"},
    )
    assert (answer.status_code, answer.content) == (204, b"")
    upload = endpoint.outbox.new[UUID(answer.headers["X-Upload-Id"])]
    content, content_type = endpoint.objects.held[upload.object_key]
    noisy = float(content)
    assert content == str(noisy).encode()
    assert noisy != 42.0
    assert abs(noisy - 42.0) < 100
    assert (upload.filename, content_type, upload.analysis_id) == ("value.txt", "text/plain", analysis)


@pytest.mark.parametrize("content", [b" 42\n", b"1e3", b"1_000", b"-0.5", b"\t7 ", b"+3"])
async def test_everything_that_python_reads_as_a_number_is_one(
    endpoint: Endpoint, auth: Auth, content: bytes
) -> None:
    assert (await _put(endpoint, auth, content)).status_code == 204


@pytest.mark.parametrize(
    "content",
    [b"", b"abc", b"1 2", b"1,5", b"0x10", b"\xff\xfe", b"1\x00", b"1" * 5000, b" " * 10_000 + b"1"],
)
async def test_file_that_is_no_number_is_refused(endpoint: Endpoint, auth: Auth, content: bytes) -> None:
    answer = await _put(endpoint, auth, content)
    assert (answer.status_code, answer.json()) == (400, {"detail": NOT_A_NUMBER})
    assert endpoint.objects.held == {}


@pytest.mark.parametrize("content", [b"nan", b"inf", b"-inf", b"Infinity", b"1e999"])
async def test_value_that_is_not_finite_is_refused(endpoint: Endpoint, auth: Auth, content: bytes) -> None:
    answer = await _put(endpoint, auth, content)
    assert (answer.status_code, answer.json()) == (
        400,
        {"detail": "Uploaded file must contain a finite numerical value."},
    )
    assert endpoint.objects.held == {}


@pytest.mark.parametrize("name", ["epsilon", "sensitivity"])
@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("0", "greater_than"),
        ("-0.0", "greater_than"),
        ("-1", "greater_than"),
        ("nan", "finite_number"),
        ("inf", "finite_number"),
        ("-inf", "finite_number"),
        ("1e999", "finite_number"),
        ("abc", "float_parsing"),
        ("", "float_parsing"),
        ("1,5", "float_parsing"),
    ],
)
async def test_parameter_that_gives_no_noise_is_refused(
    endpoint: Endpoint, auth: Auth, name: str, value: str, kind: str
) -> None:
    answer = await _put(endpoint, auth, **{name: value})
    assert answer.status_code == 422
    problems = answer.json()["detail"]
    assert [(problem["type"], problem["loc"], problem["input"]) for problem in problems] == [
        (kind, ["body", name], value)
    ]
    assert endpoint.objects.held == {}


@pytest.mark.parametrize(
    ("content", "data", "reason"),
    [
        (b"1", {"sensitivity": "1e308", "epsilon": "1e-308"}, "infinite"),
        (b"1", {"sensitivity": "1e-300", "epsilon": "1"}, "without noise"),
        (b"1e300", {"sensitivity": "1", "epsilon": "1"}, "without noise"),
        (b"0", {"sensitivity": "5e-324", "epsilon": "1e308"}, "without noise"),
    ],
)
async def test_noise_that_is_infinite_or_would_vanish_is_refused(
    endpoint: Endpoint, auth: Auth, content: bytes, data: dict[str, str], reason: str
) -> None:
    answer = await _put(endpoint, auth, content, **data)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("The value cannot be made private: ")
    assert reason in answer.json()["detail"]
    assert endpoint.objects.held == {}


async def test_missing_fields_are_all_told(endpoint: Endpoint, auth: Auth) -> None:
    answer = await endpoint.client.put(PATH, headers=auth, files={"other": b"x"})
    assert answer.status_code == 422
    assert [(problem["type"], problem["loc"]) for problem in answer.json()["detail"]] == [
        ("missing", ["body", "file"]),
        ("missing", ["body", "epsilon"]),
        ("missing", ["body", "sensitivity"]),
    ]


async def test_fields_may_come_before_and_after_the_file(endpoint: Endpoint, auth: Auth) -> None:
    sent = body(field("epsilon", "1"), file(b"42", "v"), field("sensitivity", "2"))
    answer = await endpoint.client.put(PATH, headers={**auth, **content_type()}, content=sent)
    assert answer.status_code == 204


async def test_bad_file_is_told_before_the_unknown_analysis(endpoint: Endpoint) -> None:
    stranger = endpoint.auth(uuid4())
    assert (await _put(endpoint, stranger, b"abc")).json() == {"detail": NOT_A_NUMBER}
    assert (await _put(endpoint, stranger, epsilon="0")).status_code == 422
    assert (await _put(endpoint, stranger)).status_code == 404


async def test_unknown_analysis_is_refused(endpoint: Endpoint) -> None:
    stranger = uuid4()
    answer = await _put(endpoint, endpoint.auth(stranger))
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        f"Result bucket for analysis with ID {stranger} was not found",
    )


async def test_the_value_itself_is_never_stored(
    endpoint: Endpoint, auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    def constant(_value: float, **_parameters: Any) -> float:
        return 0.125

    monkeypatch.setattr(laplace, "noisy", constant)
    assert (await _put(endpoint, auth, b"123456.75")).status_code == 204
    assert [content for content, _ in endpoint.objects.held.values()] == [b"0.125"]
