"""How connections behave on the way out: reuse, headers, time-outs, and how calls are counted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
import respx

from flame_node_agent.errors import HubError, HubUnavailable, HubUnexpected
from flame_node_agent.telemetry.metrics import REGISTRY
from tests.unit.hub.servers import Peer, hello, serving

Open = Callable[..., Any]


async def test_connections_are_reused_and_cookies_forgotten(open_transport: Open) -> None:
    async with serving(hello) as server, open_transport() as transport:
        for _ in range(5):
            assert await transport.get_json(f"{server.url}/jwks") == {"cookie": None}

        assert server.connections == 1
        assert transport.client("http://a.example") is transport.client("http://a.example")


async def test_a_connection_the_server_has_closed_is_not_used_again(open_transport: Open) -> None:
    async def once(peer: Peer) -> None:
        await peer.head()
        await peer.answer(200, b"{}")

    async with serving(once) as server, open_transport() as transport:
        for _ in range(3):
            assert await transport.get_json(server.url) == {}
            await asyncio.sleep(0.02)

        assert server.connections == 3


async def test_requests_go_out_as_http_1_1_under_our_name(open_transport: Open) -> None:
    seen: list[Any] = []

    async def look(peer: Peer) -> None:
        seen.append(await peer.head())
        await peer.answer(200, b"{}")

    async with serving(look) as server, open_transport() as transport:
        await transport.get_json(f"{server.url}/realms/flame/certs?a=b")

    line, headers = seen[0]
    assert line == "GET /realms/flame/certs?a=b HTTP/1.1"
    assert headers["user-agent"].startswith("flame-node-agent/")
    assert "authorization" not in headers


async def test_nobody_there_is_unavailable(open_transport: Open) -> None:
    async with serving(hello) as server:
        pass
    async with open_transport() as transport:
        with pytest.raises(HubUnavailable):
            await transport.get_json(server.url)
        with pytest.raises(HubUnavailable):
            await transport.get_json("http://no-such-host.invalid/")


async def test_silence_is_unavailable(open_transport: Open) -> None:
    async def silent(peer: Peer) -> None:
        await asyncio.sleep(60)

    async with serving(silent) as server, open_transport(HTTP__READ_TIMEOUT_SECONDS="0.1") as transport:
        with pytest.raises(HubUnavailable, match="ReadTimeout"):
            await transport.get_json(server.url)


async def test_a_connection_that_nobody_accepts_is_unavailable_after_the_connect_time_out(
    open_transport: Open,
) -> None:
    async def silent(_: Peer) -> None:
        await asyncio.sleep(60)

    async with serving(silent) as server, open_transport(HTTP__CONNECT_TIMEOUT_SECONDS="0.1") as transport:
        with pytest.raises(
            HubUnavailable, match="ConnectTimeout"
        ):  # a TLS handshake that never comes to an end
            await transport.get_json(server.url.replace("http:", "https:"))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(200, text="<html>"), HubUnexpected),
        (httpx.Response(404, json={"statusCode": 404, "code": "x", "message": "y"}), HubUnexpected),
        (httpx.Response(401, json={"error": "who"}), HubUnexpected),
        (httpx.Response(302, headers={"Location": "http://elsewhere.example/"}), HubUnexpected),
        (httpx.Response(500, json={}), HubUnexpected),
        (httpx.Response(503), HubUnavailable),
        (httpx.ConnectError("no"), HubUnavailable),
    ],
)
async def test_a_document_is_got_or_the_failure_has_one_of_two_names(
    open_transport: Open, answer: Any, error: type[Exception]
) -> None:
    with respx.mock() as router:
        router.get("http://idp.example/certs").mock(side_effect=[answer])
        async with open_transport() as transport:
            with pytest.raises(error):
                await transport.get_json("http://idp.example/certs")


async def test_an_answer_without_measure_is_given_up(
    open_transport: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flame_node_agent.hub.exchange.MAX_ANSWER_BYTES", 1000)
    with respx.mock() as router:
        router.get("http://idp.example/certs").respond(200, json=["x" * 1000])
        async with open_transport() as transport:
            with pytest.raises(HubUnexpected):
                await transport.get_json("http://idp.example/certs")


async def test_closing_closes_the_connections(open_transport: Open) -> None:
    closed = asyncio.Event()

    async def watch(peer: Peer) -> None:
        await peer.head()
        await peer.answer(200, b"{}")
        await peer.closed()
        closed.set()

    async with serving(watch) as server:
        async with open_transport() as transport:
            await transport.get_json(server.url)
        await asyncio.wait_for(closed.wait(), 5)


def outcome(destination: str, name: str) -> float:
    labels = {"destination": destination, "outcome": name}
    return REGISTRY.get_sample_value("flame_node_hub_calls_total", labels) or 0.0


@pytest.mark.parametrize(
    ("status", "name"),
    [(200, "ok"), (404, "not_found"), (409, "refused"), (500, "unexpected"), (503, "unavailable")],
)
async def test_each_call_is_counted_by_its_outcome(
    mocked: respx.MockRouter, hub: Any, status: int, name: str
) -> None:
    project = uuid4()
    body = {"statusCode": status, "code": "c", "message": "m", "id": str(project)}
    mocked.get(f"http://core.hub.example/projects/{project}").respond(status, json=body)
    before = outcome("core", name), outcome("auth", "ok")
    with contextlib.suppress(HubError):
        await hub.core.get_project(project)

    assert (outcome("core", name), outcome("auth", "ok")) == (before[0] + 1, before[1] + 1)


async def test_a_refused_token_is_counted_beside_the_second_try(mocked: respx.MockRouter, hub: Any) -> None:
    project = uuid4()
    mocked.get(f"http://core.hub.example/projects/{project}").mock(
        side_effect=[httpx.Response(401, json={"code": "x"}), httpx.Response(200, json={"id": str(project)})]
    )
    before = outcome("core", "unauthorized"), outcome("core", "ok")
    await hub.core.get_project(project)

    assert (outcome("core", "unauthorized"), outcome("core", "ok")) == (before[0] + 1, before[1] + 1)
