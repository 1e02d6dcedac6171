"""The task side of the hub: what is asked, with which key, and what each answer means."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import UUID, uuid4

import httpx
import pytest
import respx

from flame_node_agent.errors import HubCredentialsRefused, HubRefused, HubUnavailable, HubUnexpected
from flame_node_agent.wire.tasks import Accepted, Identity, RefusedForGood
from tests.unit.hub.flip_hub import API, IDENTITY, KEY, NO_ROUTE, PAGE, answers, element, opened

TASK = UUID("6f4e0d2c-1111-4222-8333-444455556666")
RESULT = f"tasks/{TASK}/result"


@pytest.fixture(autouse=True)
def _played_hub() -> Iterator[None]:
    with respx.mock:
        yield


# Asking for tasks


async def test_tasks_are_asked_for_with_the_raw_key() -> None:
    route = answers("GET", "tasks/pending", json={**IDENTITY, "tasks": [element()]})
    async with opened() as hub:
        pending = await hub.pending()
    assert route.calls.last.request.headers["Authorization"] == KEY
    assert route.calls.last.request.content == b""
    assert pending.identity == Identity(**IDENTITY)
    assert [task.task_type for task in pending.tasks] == ["cohort_query"]


async def test_the_keys_header_is_a_setting() -> None:
    route = answers("GET", "tasks/pending", json=[])
    async with opened(TRUST_API_KEY_HEADER="X-Trust-API-Key") as hub:
        await hub.pending()
    assert route.calls.last.request.headers["X-Trust-API-Key"] == KEY
    assert "Authorization" not in route.calls.last.request.headers


@pytest.mark.parametrize(
    "url", ["https://hub.example", "https://hub.example/api", "https://hub.example/api/"]
)
async def test_the_api_is_found_with_and_without_its_path(url: str) -> None:
    answers("GET", "tasks/pending", json=[])
    async with opened(CENTRAL_HUB_API_URL=url) as hub:
        assert (await hub.pending()).tasks == ()


async def test_a_bare_list_of_an_older_hub_names_nobody() -> None:
    answers("GET", "tasks/pending", json=[element(retry_count=1, status="IN_PROGRESS")])
    async with opened() as hub:
        pending = await hub.pending()
    assert pending.identity is None
    assert len(pending.tasks) == 1


async def test_a_damaged_element_does_not_lose_the_others() -> None:
    good, odd = element(), element(task_type=None, payload={"not": "text"})
    elements = [good, "text", None, element(id="no uuid"), element(id=7), odd]
    answers("GET", "tasks/pending", json={**IDENTITY, "tasks": elements})
    async with opened() as hub:
        pending = await hub.pending()
    assert [str(task.id) for task in pending.tasks] == [good["id"], odd["id"]]
    assert (pending.tasks[1].task_type, pending.tasks[1].payload) == ("", "")
    assert pending.unreadable == 4


async def test_text_that_no_database_takes_is_put_right() -> None:
    raw = json.dumps([element(task_type="a\0b", payload="\ud800")])
    answers("GET", "tasks/pending", content=raw, headers={"Content-Type": "application/json"})
    async with opened() as hub:
        (task,) = (await hub.pending()).tasks
    assert (task.task_type, task.payload) == ("a\ufffdb", "?")


@pytest.mark.parametrize(("count", "full"), [(49, False), (50, True), (0, False)])
async def test_a_full_batch_tells_that_there_may_be_more(count: int, full: bool) -> None:
    answers("GET", "tasks/pending", json=[element() for _ in range(count)])
    async with opened() as hub:
        assert (await hub.pending()).is_full is full


async def test_a_web_page_is_told_from_the_api() -> None:
    answers("GET", "tasks/pending", html=PAGE)
    async with opened() as hub:
        with pytest.raises(
            HubUnexpected, match=r"web page, not its API; CENTRAL_HUB_API_URL should end in /api"
        ):
            await hub.pending()


@pytest.mark.parametrize("body", [{}, {"tasks": None}, "text", 7, None])
async def test_json_without_tasks_is_unexpected(body: object) -> None:
    answers("GET", "tasks/pending", json=body)
    async with opened() as hub:
        with pytest.raises(HubUnexpected):
            await hub.pending()


async def test_a_rate_limit_tells_when_to_come_back() -> None:
    limited = {"detail": "Rate limit exceeded. Try again later."}
    answers("GET", "tasks/pending", status_code=429, json=limited, headers={"Retry-After": "17"})
    async with opened() as hub:
        with pytest.raises(HubUnavailable) as failure:
            await hub.pending()
    assert failure.value.retry_after == 17


async def test_a_key_that_the_hub_does_not_know_is_told_clearly_and_not_shown() -> None:
    answers("GET", "tasks/pending", status_code=401, json={"detail": "Invalid API Key."})
    async with opened() as hub:
        with pytest.raises(
            HubCredentialsRefused, match=r"Invalid API Key\. \(check TRUST_API_KEY"
        ) as failure:
            await hub.pending()
    assert KEY not in str(failure.value)


async def test_a_trust_that_may_not_ask_is_refused() -> None:
    answers("GET", "tasks/pending", status_code=403, json={"detail": "Trust 'A' is not authorised"})
    async with opened() as hub:
        with pytest.raises(HubRefused, match="Trust 'A' is not authorised"):
            await hub.pending()


async def test_nobody_there_is_unavailable() -> None:
    answers("GET", "tasks/pending", httpx.ConnectError("refused"))
    async with opened() as hub:
        with pytest.raises(HubUnavailable):
            await hub.pending()


async def test_the_key_is_not_taken_along_to_another_place() -> None:
    answers("GET", "tasks/pending", status_code=307, headers={"Location": "https://elsewhere.example/"})
    async with opened() as hub:
        with pytest.raises(HubUnexpected):
            await hub.pending()
    assert {call.request.url.host for call in respx.calls} == {"hub.example"}


# Reporting


@pytest.mark.parametrize("result", [None, "text", '{"a": "\u00e9"}'])
async def test_a_report_is_success_and_text_or_null(result: str | None) -> None:
    route = answers("POST", RESULT, json={"message": f"Task {TASK} result recorded"})
    async with opened() as hub:
        assert await hub.report(TASK, True, result) == Accepted()
    request = route.calls.last.request
    assert json.loads(request.content) == {"success": True, "result": result}
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Authorization"] == KEY


async def test_a_long_result_goes_out_whole() -> None:
    route = answers("POST", RESULT, json={})
    async with opened() as hub:
        await hub.report(TASK, True, "x" * 1_000_000)
    request = route.calls.last.request
    assert json.loads(request.content)["result"] == "x" * 1_000_000
    assert int(request.headers["Content-Length"]) == len(request.content)


@pytest.mark.parametrize("status", [403, 404, 409, 422, 400, 410, 413])
async def test_a_no_for_good_comes_with_its_reason(status: int) -> None:
    answers("POST", RESULT, status_code=status, json={"detail": "Task is not in progress"})
    async with opened() as hub:
        answer = await hub.report(TASK, True, None)
    assert answer == RefusedForGood(status, "Task is not in progress")


async def test_a_proxy_that_takes_less_than_the_hub_is_understood_though_it_answers_with_a_page() -> None:
    answers("POST", RESULT, status_code=413, html=PAGE)
    async with opened() as hub:
        answer = await hub.report(TASK, True, "x" * 1_000)
    assert isinstance(answer, RefusedForGood)
    assert answer.status == 413


async def test_a_validation_error_is_told_without_the_value() -> None:
    problem = {"loc": ["body", "result"], "msg": "too long", "input": "patient data", "type": "x"}
    answers("POST", RESULT, status_code=422, json={"detail": [problem]})
    async with opened() as hub:
        answer = await hub.report(TASK, True, None)
    assert answer == RefusedForGood(422, "body.result: too long")


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_success_is_taken_for_one(status: int) -> None:
    answers("POST", RESULT, status_code=status)
    async with opened() as hub:
        assert await hub.report(TASK, True, None) == Accepted()


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        ({"status_code": 401, "json": {"detail": "Invalid API Key."}}, HubCredentialsRefused),
        ({"status_code": 408}, HubUnavailable),
        ({"status_code": 429, "json": {"detail": "Rate limit exceeded."}}, HubUnavailable),
        ({"status_code": 500, "json": {"detail": "Internal server error"}}, HubUnexpected),
        ({"status_code": 502, "html": PAGE}, HubUnavailable),
        ({"status_code": 503}, HubUnavailable),
        ({"status_code": 200, "html": PAGE}, HubUnexpected),
        ({"status_code": 403, "html": PAGE}, HubUnexpected),
        ({"status_code": 403, "json": {"message": "Forbidden"}}, HubUnexpected),
        ({"status_code": 404, "json": "no healthy upstream"}, HubUnexpected),
        ({"status_code": 302, "headers": {"Location": "/login"}}, HubUnexpected),
        ({"status_code": 404, "json": NO_ROUTE}, HubUnexpected),
        ({"status_code": 405, "json": {"detail": "Method Not Allowed"}}, HubUnexpected),
    ],
)
async def test_what_may_pass_is_not_taken_for_a_no(
    answer: dict[str, object], raised: type[Exception]
) -> None:
    answers("POST", RESULT, **answer)
    async with opened() as hub:
        with pytest.raises(raised):
            await hub.report(TASK, True, None)


async def test_aggregates_go_to_the_cohort_results() -> None:
    body = {"query_id": str(uuid4()), "record_count": 12, "data": [{"name": "lone \ud800"}]}
    route = answers("POST", "cohort/results", json={"message": "Cohort results processed successfully"})
    async with opened() as hub:
        assert await hub.cohort_results(body) == Accepted()
    assert json.loads(route.calls.last.request.content) == body
    assert route.calls.last.request.headers["Authorization"] == KEY


async def test_aggregates_that_the_hub_refuses_come_with_the_reason() -> None:
    answers("POST", "cohort/results", status_code=403, json={"detail": "trust_id is not yours"})
    async with opened() as hub:
        assert str(await hub.cohort_results({})) == "403: trust_id is not yours"


# Heartbeats


async def test_a_heartbeat_without_a_snapshot_has_no_body() -> None:
    route = answers("POST", "trust/heartbeat", json={**IDENTITY, "message": "Heartbeat recorded"})
    async with opened() as hub:
        answer = await hub.heartbeat(None)
    assert route.calls.last.request.content == b""
    assert answer.recorded
    assert answer.identity == Identity(**IDENTITY)
    assert (answer.hub_version, answer.fingerprint) == (None, None)


async def test_a_heartbeat_tells_version_and_fingerprint_where_they_are_text() -> None:
    snapshot = {"services": {"trust-api": {"status": "healthy"}}}
    told = {"hub_version": "1.2.3", "aes_key_fingerprint": "0123456789ab"}
    route = answers(
        "POST",
        "trust/heartbeat",
        httpx.Response(200, json=told),
        httpx.Response(200, json={"hub_version": 7}),
    )
    async with opened() as hub:
        first, second = await hub.heartbeat(snapshot), await hub.heartbeat(snapshot)
    assert json.loads(route.calls[0].request.content) == snapshot
    assert (first.hub_version, first.fingerprint) == ("1.2.3", "0123456789ab")
    assert (second.hub_version, second.fingerprint) == (None, None)


@pytest.mark.parametrize("status", [401, 403, 422, 429, 500, 503])
async def test_every_answer_to_a_heartbeat_is_given_back(status: int) -> None:
    answers("POST", "trust/heartbeat", status_code=status, json={"detail": "no"})
    async with opened() as hub:
        answer = await hub.heartbeat(None)
    assert (answer.status, answer.detail, answer.recorded) == (status, "no", False)


async def test_a_heartbeat_tolerates_an_answer_that_is_no_json() -> None:
    answers("POST", "trust/heartbeat", text="ok")
    async with opened() as hub:
        assert (await hub.heartbeat(None)).recorded


# The limit of requests a minute


async def test_polls_and_reports_are_limited_each_by_themselves() -> None:
    answers("GET", "tasks/pending", json=[])
    answers("POST", RESULT, json={})
    answers("POST", "cohort/results", json={})
    async with opened(TASKS__REPORTS_PER_MINUTE="3", TASKS__POLLS_PER_MINUTE="1") as hub:
        await hub.pending()
        await hub.cohort_results({})
        assert hub.report_window.free() == 3
        await hub.report(TASK, True, None)
        assert hub.report_window.free() == 2


def test_the_address_of_the_api_is_the_one_in_the_settings() -> None:
    assert API == "https://hub.example/api"
