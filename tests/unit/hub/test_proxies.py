"""Which way requests go: directly, or through the proxies of the settings or the environment."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from flame_node_agent.config.outbound import ProxySettings
from flame_node_agent.errors import HubUnavailable, HubUnexpected, SettingsError
from flame_node_agent.hub.proxies import proxy_routes
from tests.unit.hub.authorities import Authority
from tests.unit.hub.forward_proxies import proxied
from tests.unit.hub.servers import Peer, hello, serving
from tests.unit.hub.uploading import Source, drain, error, upload, with_tokens

Open = Callable[..., Any]


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


async def test_servers_of_the_nodes_own_network_are_asked_directly(open_transport: Open) -> None:
    async with (
        serving(hello) as server,
        proxied() as (proxy, address),
        open_transport(PROXY__HTTPS_URL=f"http://{address}") as transport,
    ):
        keycloak = server.url.replace("127.0.0.1", "localhost")
        assert await transport.get_json(keycloak) == {"cookie": None}
        assert await transport.get_json("http://keycloak.hospital.example/") == {"through": "proxy"}

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
    ],
)
def test_routes(
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    environment: dict[str, str],
    routes: dict[str, str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert proxy_routes(ProxySettings(**settings)).proxies == routes


@pytest.mark.parametrize(
    ("entry", "directly", "through"),
    [
        ("hub.example", ["https://hub.example/x", "http://api.hub.example"], ["https://otherhub.example"]),
        ("Hub.Example.", ["https://HUB.example", "https://hub.example."], ["https://hub.example.org"]),
        (".hub.example", ["https://api.hub.example"], ["https://hub.example"]),
        ("*.hub.example", ["https://api.hub.example", "https://a.b.hub.example"], ["https://hub.example"]),
        ("*hub.example", ["https://api.hub.example", "https://hub.example"], ["https://otherhub.example"]),
        (
            "hub.example:8080",
            ["http://hub.example:8080", "http://a.hub.example:8080"],
            ["http://hub.example"],
        ),
        ("hub.example:443", ["https://hub.example"], ["http://hub.example", "https://hub.example:8443"]),
        ("http://x.example", ["http://x.example"], ["https://x.example", "http://a.x.example"]),
        ("http://x.example/", ["http://x.example"], ["https://x.example"]),
        ("all://*x.example", ["http://x.example", "https://a.x.example"], ["https://y.example"]),
        (
            "bücher.example",
            ["https://bücher.example", "https://xn--bcher-kva.example"],
            ["https://b.example"],
        ),
        ("127.0.0.1", ["http://127.0.0.1:5000"], ["http://127.0.0.11"]),
        ("10.0.0.7:8443", ["https://10.0.0.7:8443"], ["https://10.0.0.7"]),
        ("10.0.0.0/8", ["https://10.1.2.3:8443"], ["https://11.0.0.1", "https://[::1]", "https://a.example"]),
        ("10.0.0.7/8", ["https://10.1.2.3"], ["https://11.0.0.1"]),
        ("::1", ["http://[::1]:8080"], ["http://[::2]", "http://127.0.0.1"]),
        ("[::1]", ["http://[::1]:8080"], ["http://[::2]"]),
        ("[::1]:8080", ["http://[::1]:8080"], ["http://[::1]"]),
        ("::1/128", ["http://[::1]"], ["http://[::2]"]),
        ("fd00::/8", ["http://[fd12::1]"], ["http://[fe80::1]", "http://fd.example"]),
        ("[fd00::]/8", ["http://[fd12::1]"], ["http://[fe80::1]"]),
        ("fe80::/10", ["http://[fe80::1]"], ["http://[fd12::1]"]),
        ("localhost,127.0.0.1,::1/128", ["http://127.0.0.1", "http://[::1]"], ["https://a.example"]),
        ("a.example b.example", ["http://a.example", "http://b.example"], ["https://c.example"]),
        (
            "keycloak, .clinic.example,,",
            ["http://keycloak", "http://a.clinic.example"],
            ["https://c.example"],
        ),
    ],
)
@pytest.mark.parametrize("proxies", [{"HTTPS_PROXY": "p:1", "HTTP_PROXY": "p:1"}, {"ALL_PROXY": "p:1"}, None])
async def test_who_is_exempt_is_asked_directly(
    monkeypatch: pytest.MonkeyPatch,
    open_transport: Open,
    entry: str,
    directly: list[str],
    through: list[str],
    proxies: dict[str, str] | None,
) -> None:
    for name, value in ({"NO_PROXY": entry} | (proxies or {})).items():
        monkeypatch.setenv(name, value)
    own = ProxySettings() if proxies else ProxySettings(http_url=SecretStr("http://p:1"))

    routes = proxy_routes(own)
    assert routes.exempt.unusable == ()
    assert [routes.proxy_for(url) for url in directly] == [None] * len(directly)
    assert [routes.proxy_for(url) for url in through] == ["http://p:1"] * len(through)
    async with open_transport() as transport:
        transport.client("https://hub.example")


@pytest.mark.parametrize(
    "entry",
    ["10.0.0.0/99", "fd00::/8/8", "[", ":8080", "hub:99999", "hub:0", "hub:x", "a:b:c", "ftp://x", "*.",
     "hub.example/path", "user@hub", "%zz", "http://", "ü" * 80, "hub?x"],
)  # fmt: skip
async def test_an_exemption_that_cannot_be_read_is_told_and_nobody_else_suffers(
    monkeypatch: pytest.MonkeyPatch, open_transport: Open, entry: str
) -> None:
    async with serving(hello) as server, proxied() as (proxy, address):
        monkeypatch.setenv("HTTP_PROXY", f"http://{address}")
        monkeypatch.setenv("NO_PROXY", f"{entry},127.0.0.0/8")
        with capture_logs() as logs:
            async with open_transport() as transport:
                assert await transport.get_json("http://hub.example/") == {"through": "proxy"}
                assert await transport.get_json(server.url) == {"cookie": None}

    assert len(proxy.lines) == 1
    assert [log["entry"] for log in logs if log["event"] == "proxy.exemption_unusable"] == [entry]


def test_a_proxy_of_the_environment_that_is_not_supported_ends_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://user:secret-4711@proxy:1080")

    with pytest.raises(SettingsError, match="ALL_PROXY") as caught:
        proxy_routes(ProxySettings())
    assert "secret-4711" not in str(caught.value)
