"""Calls to the other services of the trust."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import respx
from structlog.testing import capture_logs

from flame_node_agent.errors import ServiceFailed
from flame_node_agent.hub import patience, retry
from flame_node_agent.hub.trust_services import TrustService
from tests.unit.hub.servers import Peer, serving

BASE = "http://service.example/base"


@pytest.fixture
def router() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as mocked:
        yield mocked


@pytest.fixture
async def service() -> AsyncIterator[TrustService]:
    tls = ssl.create_default_context()
    opened = TrustService("service", f"{BASE}/", tls=tls, credentials={"X-Key": "secret"}, connect_seconds=1)
    yield opened
    await opened.aclose()


@pytest.fixture
async def patient() -> AsyncIterator[TrustService]:
    """One that waits for the service."""
    tls = ssl.create_default_context()
    opened = TrustService("service", BASE, tls=tls, credentials={}, connect_seconds=1, patience_seconds=60)
    yield opened
    await opened.aclose()


async def failure_of(service: TrustService) -> str:
    with pytest.raises(ServiceFailed) as failed:
        await service.call("GET", "/x")
    return str(failed.value)


async def test_success_gives_its_json(router, service) -> None:
    route = router.get(f"{BASE}/x?a=b").respond(json={"a": 1})
    assert await service.call("GET", "/x", query={"a": "b"}, headers={"X-More": "m"}) == {"a": 1}
    headers = route.calls.last.request.headers
    assert (headers["X-Key"], headers["X-More"]) == ("secret", "m")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((400, {"text": "boom"}), "400: boom"),
        ((500, {"json": {"detail": "query_failed"}}), "500: query_failed"),
        ((500, {"json": {"error": "x"}}), '500: {"error":"x"}'),
        ((503, {"text": ""}), "503: "),
        ((404, {"text": "x" * 2000}), "404: " + "x" * 1000),
        ((404, {"json": {"detail": "x" * 2000}}), "404: " + "x" * 1000),
    ],
)
async def test_refusal_tells_status_and_detail(router, service, answer, error) -> None:
    status, body = answer
    router.get(f"{BASE}/x").respond(status, **body)
    assert await failure_of(service) == error


@pytest.mark.parametrize("text", ["<html>", "", "{", "[" * 100_000], ids=["html", "empty", "cut", "deep"])
async def test_success_that_is_no_json_is_a_502(router, service, text) -> None:
    router.get(f"{BASE}/x").respond(200, text=text)
    assert await failure_of(service) == "502: External API returned non-JSON response"


async def test_no_content_is_none(router, service) -> None:
    router.get(f"{BASE}/x").respond(204)
    assert await service.call("GET", "/x") is None


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (httpx.ConnectError("10.1.2.3 refused"), "ConnectError"),
        (httpx.ReadTimeout(""), "ReadTimeout"),
        (httpx.RemoteProtocolError("Server disconnected\n"), "RemoteProtocolError"),
    ],
)
async def test_no_answer_is_a_502(router, service, error, told) -> None:
    """The hub learns the kind; addresses within the building stay in the log."""
    router.get(f"{BASE}/x").mock(side_effect=error)
    with capture_logs() as events:
        assert await failure_of(service) == f"502: Failed to connect to remote service: {told}"
    (event,) = events
    assert (event["event"], event["service"], event["error"]) == (
        "service.unreachable",
        "service",
        repr(error),
    )


@pytest.mark.parametrize(
    "away",
    [
        httpx.ConnectError("refused"),
        httpx.RemoteProtocolError("Server disconnected"),
        httpx.Response(503, headers={"Retry-After": "5"}, json={"detail": "query_failed"}),
    ],
    ids=["nobody", "killed", "database"],
)
async def test_who_is_away_is_asked_again(router, patient, no_waiting: list[float], away) -> None:
    route = router.post(f"{BASE}/x").mock(side_effect=[away] * 5 + [httpx.Response(200, json=1)])
    with capture_logs() as events:
        assert await patient.call("POST", "/x", body={"a": 1}) == 1
    assert {call.request.content for call in route.calls} == {b'{"a":1}'}
    assert len(no_waiting) == 5
    ours = [event["event"] for event in events if not event["event"].startswith("stamina.")]
    assert ours == ["service.unreachable", "service.is_back"]


async def test_who_stays_away_is_reported_and_not_waited_for_again(
    router, patient, no_waiting: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    route = router.get(f"{BASE}/x").mock(side_effect=httpx.ConnectError("refused"))
    monkeypatch.setattr(patience.time, "monotonic", lambda: 7.0 + sum(no_waiting))
    monkeypatch.setattr(retry._jitter, "uniform", lambda low, high: high)
    told = "502: Failed to connect to remote service: ConnectError"
    assert await failure_of(patient) == told
    assert 40 < sum(no_waiting) < 60
    asked, waits = route.call_count, len(no_waiting)
    no_waiting.append(20)
    assert await failure_of(patient) == told
    assert (route.call_count, len(no_waiting)) == (asked + 1, waits + 1)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(503, json={"detail": "Cohort snapshot store is not configured on this trust."}),
        httpx.Response(500, json={"detail": "query_failed"}),
        httpx.Response(403, json={"detail": "no"}),
        httpx.Response(200, text="<html>"),
    ],
    ids=["not here", "failed", "refused", "web page"],
)
async def test_what_will_not_pass_is_not_asked_again(
    router, patient, no_waiting: list[float], answer: httpx.Response
) -> None:
    route = router.get(f"{BASE}/x").mock(return_value=answer)
    await failure_of(patient)
    assert (route.call_count, no_waiting) == (1, [])


async def test_looking_at_who_is_away_is_not_worth_a_line_in_the_log(router, service) -> None:
    router.get(f"{BASE}/health").mock(side_effect=httpx.ConnectError("refused"))
    with capture_logs() as events, pytest.raises(ServiceFailed):
        await service.look("/health")
    assert events == []


async def test_nobody_listens(service: TrustService) -> None:
    closed = TrustService(
        "service", "http://127.0.0.1:1", tls=ssl.create_default_context(), credentials={}, connect_seconds=5
    )
    assert (await failure_of(closed)).startswith("502: Failed to connect to remote service: ")
    await closed.aclose()


async def test_redirect_within_the_service_is_followed(router, service) -> None:
    router.get(f"{BASE}/x").respond(307, headers={"Location": "/base/x/"})
    route = router.get(f"{BASE}/x/").respond(json=1)
    assert await service.call("GET", "/x") == 1
    assert route.calls.last.request.headers["X-Key"] == "secret"


async def test_redirect_to_elsewhere_is_not_followed(router, service) -> None:
    """Whoever stands there would get the trust's internal key."""
    router.get(f"{BASE}/x").respond(302, headers={"Location": "http://elsewhere.example/"})
    elsewhere = router.get("http://elsewhere.example/").respond(json=1)
    assert await failure_of(service) == "502: External API returned non-JSON response"
    assert not elsewhere.called


async def test_redirects_end(router, service) -> None:
    router.get(f"{BASE}/x").respond(302, headers={"Location": "/base/x"})
    assert await failure_of(service) == "502: Failed to connect to remote service: too many redirects"


async def test_compressed_bomb_is_refused(router, service) -> None:
    bomb = gzip.compress(b" " * 20_000_000)
    router.get(f"{BASE}/x").respond(200, content=bomb, headers={"Content-Encoding": "gzip"})
    assert await failure_of(service) == "502: External API returned non-JSON response"


async def test_looking_gives_every_status_and_shows_credentials_only_where_told(router, service) -> None:
    route = router.get(f"{BASE}/health").respond(503, text="<html>")
    answer = await service.look("/health")
    assert (answer.status, answer.succeeded, answer.text) == (503, False, "<html>")
    assert "X-Key" not in route.calls.last.request.headers
    await service.look("/health", with_credentials=True)
    assert route.calls.last.request.headers["X-Key"] == "secret"


async def test_proxies_are_never_asked(router, service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    router.get(f"{BASE}/x").respond(json=1)
    assert service._client._mounts == {}
    assert not service._client.trust_env


async def test_there_is_no_time_limit_of_its_own(service: TrustService) -> None:
    """How long a task may take is known to who runs it."""
    assert service._client.timeout.read is None
    assert service._client.timeout.write is None
    assert service._client.timeout.pool is None
    assert service._client.timeout.connect == 1


async def test_call_that_is_given_up_hangs_up_so_that_the_service_can_stop_as_well() -> None:
    asked, hung_up = asyncio.Event(), asyncio.Event()

    async def silent(peer: Peer) -> None:
        await peer.body((await peer.head())[1])
        asked.set()
        await peer.closed()
        hung_up.set()

    async with asyncio.timeout(60), serving(silent) as server:
        tls = ssl.create_default_context()
        service = TrustService("service", server.url, tls=tls, credentials={}, connect_seconds=30)
        call = asyncio.create_task(service.call("POST", "/cohort", body={"query": "SELECT 1"}))
        await asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await hung_up.wait()
        await service.aclose()
