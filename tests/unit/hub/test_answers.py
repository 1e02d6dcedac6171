"""What an answer of the hub means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flame_node_agent.errors import (
    HubCredentialsRefused,
    HubRefused,
    HubUnavailable,
    HubUnexpected,
    is_retryable,
)
from flame_node_agent.hub.answers import MAX_MESSAGE_CHARACTERS, Answer, retry_after

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
ERROR = {"statusCode": 409, "code": "entity_conflict", "message": "There is such a file."}


def error(status: int) -> dict[str, object]:
    return ERROR | {"statusCode": status}


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
@pytest.mark.parametrize("decodable", [True, False])
def test_later_is_later_whatever_the_body(status: int, decodable: bool) -> None:
    failure = Answer(status, error(status) if decodable else None, decodable, retry_after=7.0).failure()

    assert isinstance(failure, HubUnavailable)
    assert failure.retry_after == 7.0


@pytest.mark.parametrize("status", [200, 201, 204, 302, 400, 401, 403, 404, 409, 413, 500, 507])
def test_a_body_that_cannot_be_decoded_is_retryable_whatever_its_status(status: int) -> None:
    failure = Answer(status, None, decodable=False, what="text/html that is not the hub's").failure()

    assert isinstance(failure, HubUnexpected)
    assert failure.status is None
    assert is_retryable(failure)
    assert "text/html" in str(failure)


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413, 422])
def test_an_error_of_the_hub_is_a_final_no(status: int) -> None:
    failure = Answer(status, error(status), decodable=True).failure()

    assert isinstance(failure, HubRefused)
    assert (failure.status, failure.code) == (status, "entity_conflict")
    assert "There is such a file." in str(failure)
    assert not is_retryable(failure)


@pytest.mark.parametrize("status", [500, 501, 507, 599, 302])
def test_other_statuses_are_unexpected_and_named(status: int) -> None:
    failure = Answer(status, error(status), decodable=True).failure()

    assert isinstance(failure, HubUnexpected)
    assert failure.status == status


def test_401_means_the_credentials() -> None:
    assert isinstance(Answer(401, error(401), decodable=True).failure(), HubCredentialsRefused)


@pytest.mark.parametrize("body", [{"detail": "Not Found"}, {"message": "no Route matched"}, [], "gone", None])
def test_json_of_a_gateway_is_no_refusal_of_the_hub(body: object) -> None:
    failure = Answer(404, body, decodable=True).failure()

    assert isinstance(failure, HubUnexpected)
    assert failure.status == 404


def test_a_status_that_contradicts_its_body_is_unexpected() -> None:
    assert isinstance(Answer(404, error(500), decodable=True).failure(), HubUnexpected)


def test_a_refusal_may_lack_a_status_code_of_its_own() -> None:
    failure = Answer(404, {"code": "entity_not_found", "message": "gone"}, decodable=True).failure()

    assert isinstance(failure, HubRefused)


def test_issues_of_newer_hubs_are_in_the_message() -> None:
    issues = [
        {
            "type": "group",
            "issues": [{"type": "item", "code": "keyNotAllowed", "path": ["filters", "analysis_id"]}],
        },
        {"type": "item", "code": "required"},
        "nonsense",
    ]
    failure = Answer(400, error(400) | {"issues": issues}, decodable=True).failure()

    assert isinstance(failure, HubRefused)
    assert "keyNotAllowed filters.analysis_id; required" in str(failure)


def test_a_message_stays_in_one_line_and_short() -> None:
    failure = Answer(400, error(400) | {"message": "first\nlevel=error " * 1000}, decodable=True).failure()

    assert "\n" not in str(failure)
    assert len(str(failure)) < MAX_MESSAGE_CHARACTERS + 50


@given(status=st.integers(200, 299), body=JSON)
def test_a_success_is_its_json(status: int, body: object) -> None:
    answer = Answer(status, body, decodable=True)

    assert answer.failure() is None
    assert answer.content() is body


@given(status=st.integers(300, 599), body=JSON, decodable=st.booleans())
def test_every_other_answer_has_one_meaning(status: int, body: object, decodable: bool) -> None:
    with pytest.raises((HubUnavailable, HubUnexpected, HubCredentialsRefused, HubRefused)):
        Answer(status, body, decodable).content()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("17", 17),
        ("2.5", 2.5),
        (" 3 ", 3),
        ("999999999", 3600),
        ("-1", None),
        ("", None),
        ("soon", None),
    ],
)
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    assert retry_after(httpx.Headers({"Retry-After": value})) == seconds


def test_retry_after_as_a_date_counts_from_the_servers_own_clock() -> None:
    then = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
    headers = {
        "Date": format_datetime(then, usegmt=True),
        "Retry-After": format_datetime(then + timedelta(seconds=42), usegmt=True),
    }

    assert retry_after(httpx.Headers(headers)) == 42


def test_retry_after_as_a_date_without_a_server_clock_counts_from_ours() -> None:
    until = datetime.now(UTC) + timedelta(seconds=60)

    seconds = retry_after(httpx.Headers({"Retry-After": format_datetime(until, usegmt=True)}))

    assert seconds is not None
    assert 55 < seconds <= 60


def test_a_date_that_has_passed_means_now() -> None:
    assert retry_after(httpx.Headers({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})) == 0


@given(st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_no_retry_after_does_harm(value: str) -> None:
    seconds = retry_after(httpx.Headers({"Retry-After": value}))

    assert seconds is None or 0 <= seconds <= 3600
