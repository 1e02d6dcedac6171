"""The way out: proxies, authorities, time-outs, reuse."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import respx

from flame_node_agent.config.outbound import ProxySettings
from flame_node_agent.errors import HubError, HubUnavailable, HubUnexpected, SettingsError
from flame_node_agent.hub import pools
from flame_node_agent.hub.proxies import proxy_routes
from flame_node_agent.hub.tls import tls_context
from flame_node_agent.telemetry.metrics import REGISTRY
from tests.unit.hub.authorities import Authority, make_authority
from tests.unit.hub.servers import Peer, serving
from tests.unit.hub.test_upload_wire import Source, drain, error, upload, with_tokens

Open = Callable[..., Any]


async def hello(peer: Peer) -> None:
    """Answer every request with JSON, on and on."""
    while True:
        _, headers = await peer.head()
        await peer.body(headers)
        await peer.answer(
            200, json.dumps({"cookie": headers.get("cookie")}).encode(), Set_Cookie="a=b; Path=/"
        )


class Proxy:
    """A forward proxy that remembers what it was asked, and by whom."""

    def __init__(self, refuses: bool = False) -> None:
        self.lines: list[str] = []
        self.credentials: list[str | None] = []
        self.refuses = refuses

    async def __call__(self, peer: Peer) -> None:
        while True:
            line, headers = await peer.head()
            self.lines.append(line)
            self.credentials.append(headers.get("proxy-authorization"))
            if self.refuses:
                await peer.answer(407, b"<h1>407</h1>", "text/html")
            elif line.startswith("CONNECT "):
                await peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
                return await self._tunnel(peer, line.split()[1])
            else:
                await peer.body(headers)
                await peer.answer(200, b'{"through": "proxy"}')

    async def _tunnel(self, peer: Peer, target: str) -> None:
        host, _, port = target.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(1 << 16):
                sink.write(data)
                await sink.drain()

        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(copy(peer.reader, writer))
                both.create_task(copy(reader, peer.writer))
        except* ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def proxied(**behaviour: bool) -> AsyncIterator[tuple[Proxy, str]]:
    proxy = Proxy(**behaviour)
    async with serving(proxy) as server:
        yield proxy, f"127.0.0.1:{server.port}"


# -- whom it believes


def test_extra_authorities_are_added_to_the_systems_exactly_one_for_one(bundle: Path) -> None:
    """Behaviour 9 of the Node Result Service's tests."""
    systems = set(tls_context(None).get_ca_certs(binary_form=True))
    ours = set(tls_context(bundle).get_ca_certs(binary_form=True))

    assert len(ours - systems) == 1
    assert ours > systems
    assert (ours - systems) == {ssl.PEM_cert_to_DER_cert(bundle.read_text())}


def test_certificates_and_names_are_always_verified(bundle: Path) -> None:
    for context in (tls_context(None), tls_context(bundle)):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


async def test_a_hub_behind_an_extra_authority_is_believed(
    open_transport: Open, authority: Authority
) -> None:
    async with serving(hello, authority.server) as server:
        async with open_transport(EXTRA_CA_CERTS=str(authority.bundle)) as transport:
            assert await transport.get_json(server.url) == {"cookie": None}
        async with open_transport() as transport:
            with pytest.raises(HubUnavailable, match=r"(?i)certificate"):
                await transport.get_json(server.url)


async def test_an_extra_authority_is_believed_through_a_proxy_too(
    open_transport: Open, authority: Authority
) -> None:
    async with serving(hello, authority.server) as server, proxied() as (proxy, address):
        settings = {"PROXY__HTTPS_URL": f"http://{address}", "EXTRA_CA_CERTS": str(authority.bundle)}
        async with open_transport(**settings) as transport:
            assert await transport.get_json(server.url) == {"cookie": None}
        del settings["EXTRA_CA_CERTS"]
        async with open_transport(**settings) as transport:
            with pytest.raises(HubUnavailable, match=r"(?i)certificate"):
                await transport.get_json(server.url)

    assert proxy.lines == [f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"] * 2


async def test_a_proxy_may_speak_tls_itself(open_transport: Open, authority: Authority) -> None:
    async with serving(hello, authority.server) as server, serving(Proxy(), authority.server) as proxy:
        settings = {"PROXY__HTTPS_URL": proxy.url, "EXTRA_CA_CERTS": str(authority.bundle)}
        async with open_transport(**settings) as transport:
            assert await transport.get_json(server.url) == {"cookie": None}
            assert await transport.get_json("http://hub.example/") == {"through": "proxy"}


async def test_tunnels_that_fail_do_not_use_up_the_pool(
    open_transport: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "LIMITS", httpx.Limits(max_connections=2, max_keepalive_connections=2))
    unknown = make_authority(tmp_path)
    async with serving(hello, unknown.server) as server, proxied() as (proxy, address):
        settings = {"PROXY__HTTPS_URL": f"http://{address}", "HTTP__CONNECT_TIMEOUT_SECONDS": "1"}
        async with open_transport(**settings) as transport:
            for _ in range(5):
                with pytest.raises(HubUnavailable, match=r"(?i)certificate"):
                    await transport.get_json(server.url)

    assert len(proxy.lines) == 5


# -- which way it goes


@pytest.mark.parametrize("variable", ["PROXY__HTTP_URL", "PROXY__HTTPS_URL"])
async def test_one_proxy_serves_both_schemes(
    open_transport: Open, authority: Authority, variable: str
) -> None:
    async with serving(hello, authority.server) as server, proxied() as (proxy, address):
        settings = {variable: f"http://{address}", "EXTRA_CA_CERTS": str(authority.bundle)}
        async with open_transport(**settings) as transport:
            assert await transport.get_json("http://hub.example/jwks") == {"through": "proxy"}
            assert await transport.get_json(server.url) == {"cookie": None}

    assert [line.split()[0] for line in proxy.lines] == ["GET", "CONNECT"]
    assert proxy.lines[0].split()[1] == "http://hub.example/jwks"


async def test_each_scheme_has_its_own_proxy_with_its_own_credentials(
    open_transport: Open, authority: Authority
) -> None:
    async with (
        serving(hello, authority.server) as server,
        proxied() as (one, first),
        proxied() as (two, second),
    ):
        settings = {
            "PROXY__HTTP_URL": f"http://clinic:pw%40one@{first}",
            "PROXY__HTTPS_URL": f"http://other:two@{second}",
            "EXTRA_CA_CERTS": str(authority.bundle),
        }
        async with open_transport(**settings) as transport:
            await transport.get_json("http://hub.example/")
            await transport.get_json(server.url)

    assert one.credentials == ["Basic " + base64.b64encode(b"clinic:pw@one").decode()]
    assert two.credentials == ["Basic " + base64.b64encode(b"other:two").decode()]


async def test_an_upload_through_a_proxy_hears_an_early_answer(open_hub: Open, authority: Authority) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.reader.readexactly(1 << 20)
        await peer.answer(409, error(409))
        await drain(peer)

    async with serving(with_tokens(refuse), authority.server) as server, proxied() as (_, address):
        settings = {"PROXY__HTTPS_URL": f"http://{address}", "EXTRA_CA_CERTS": str(authority.bundle)}
        async with open_hub(server.url, **settings) as hub:
            with pytest.raises(Exception, match="409"):
                await asyncio.wait_for(upload(hub, Source()), 20)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_refuses_is_no_answer_of_the_hub(open_transport: Open, scheme: str) -> None:
    async with (
        proxied(refuses=True) as (_, address),
        open_transport(PROXY__HTTP_URL=f"http://clinic:secret-4711@{address}") as transport,
    ):
        with pytest.raises((HubUnavailable, HubUnexpected)) as caught:
            await transport.get_json(f"{scheme}://hub.example/")

    assert "407" in str(caught.value)
    assert "secret-4711" not in repr(caught.value) + str(caught.value.__cause__)


async def test_without_settings_the_environment_names_the_proxy(
    open_transport: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(hello) as server, proxied() as (proxy, address):
        monkeypatch.setenv("HTTP_PROXY", f"http://{address}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        async with open_transport() as transport:
            assert await transport.get_json("http://hub.example/") == {"through": "proxy"}
            assert await transport.get_json(server.url) == {"cookie": None}

    assert len(proxy.lines) == 1


async def test_settings_win_over_the_environment(
    open_transport: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxied() as (ours, own), proxied() as (theirs, other):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{other}")
        async with open_transport(PROXY__HTTP_URL=f"http://{own}") as transport:
            await transport.get_json("http://hub.example/")

    assert len(ours.lines) == 1
    assert theirs.lines == []


BOTH = {"http_url": "http://a:1", "https_url": "http://b:2"}


@pytest.mark.parametrize(
    ("settings", "environment", "routes"),
    [
        ({}, {}, {}),
        ({}, {"NO_PROXY": "hub.example"}, {}),
        (BOTH, {}, {"http://": "http://a:1", "https://": "http://b:2"}),
        ({"http_url": "http://a:1"}, {}, {"http://": "http://a:1", "https://": "http://a:1"}),
        ({"https_url": "http://b:2"}, {}, {"http://": "http://b:2", "https://": "http://b:2"}),
        (
            BOTH,
            {"HTTP_PROXY": "http://c:3", "ALL_PROXY": "socks5://d:4", "NO_PROXY": "*"},
            {"http://": "http://a:1", "https://": "http://b:2"},
        ),
        (
            {},
            {"HTTP_PROXY": "c:3", "HTTPS_PROXY": "https://d:4", "ALL_PROXY": "http://e:5"},
            {"http://": "http://c:3", "https://": "https://d:4", "all://": "http://e:5"},
        ),
        ({}, {"HTTP_PROXY": "http://c:3", "NO_PROXY": "keycloak, *"}, {}),
        (
            {"http_url": "http://a:1"},
            {"NO_PROXY": "keycloak, .clinic.example,10.0.0.7,::1,localhost,http://x.example,"},
            {
                "http://": "http://a:1",
                "https://": "http://a:1",
                "all://*keycloak": None,
                "all://*.clinic.example": None,
                "all://10.0.0.7": None,
                "all://[::1]": None,
                "all://localhost": None,
                "http://x.example": None,
            },
        ),
    ],
)
def test_routes(
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    environment: dict[str, str],
    routes: dict[str, str | None],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert proxy_routes(ProxySettings(**settings)) == routes


def test_a_proxy_of_the_environment_that_is_not_supported_ends_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://user:secret-4711@proxy:1080")

    with pytest.raises(SettingsError, match="ALL_PROXY") as caught:
        proxy_routes(ProxySettings())
    assert "secret-4711" not in str(caught.value)


# -- how it behaves on the way


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
