"""Whom the node believes: the system's authorities and the operator's own, also through proxies."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from flame_node_agent.errors import HubUnavailable
from flame_node_agent.hub import pools
from flame_node_agent.hub.tls import tls_context
from tests.unit.hub.authorities import Authority, make_authority
from tests.unit.hub.forward_proxies import Proxy, proxied
from tests.unit.hub.servers import hello, serving

Open = Callable[..., Any]


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
