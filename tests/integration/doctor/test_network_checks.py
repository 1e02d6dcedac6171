"""The way out, as the doctor sees it: names, proxies and the FL server's port."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from flame_node_agent.devstack.running_hub import RunningHub
from tests.integration.doctor.conftest import Examined
from tests.integration.doctor.verdicts import assert_unseen, assert_well, assert_wrong
from tests.unit.hub.authorities import Authority
from tests.unit.hub.forward_proxies import proxied
from tests.unit.hub.servers import hello, serving

# Names


async def test_names_that_are_found_and_one_that_is_not(examined: Examined) -> None:
    assert_well((await examined(MINIO__ENDPOINT="localhost:9", sides="results"))["dns"], "localhost")
    findings = await examined(CENTRAL_HUB_API_URL="http://hub.nowhere.invalid")
    assert_wrong(findings["dns"], "hub.nowhere.invalid (the hub)", "name server")


async def test_a_name_within_the_trust_is_there_while_the_service_runs(examined: Examined) -> None:
    findings = await examined(POSTGRES__HOST="postgres.nowhere.invalid")
    assert_wrong(findings["dns"], "postgres.nowhere.invalid (database)", "only while it runs")


async def test_behind_a_proxy_only_the_proxys_name_is_needed(examined: Examined) -> None:
    findings = await examined(
        CENTRAL_HUB_API_URL="http://hub.nowhere.invalid", PROXY__HTTP_URL="http://localhost:9"
    )
    assert_well(findings["dns"], "localhost")
    assert "hub.nowhere.invalid" not in findings["dns"].seen
    lost = await examined(PROXY__HTTP_URL="http://proxy.nowhere.invalid:3128")
    assert_wrong(lost["dns"], "proxy.nowhere.invalid (proxy)", "spelling")


async def test_a_host_that_is_exempt_from_the_proxy_is_looked_up(
    examined: Examined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "nowhere.invalid")
    findings = await examined(
        CENTRAL_HUB_API_URL="http://hub.nowhere.invalid", PROXY__HTTP_URL="http://localhost:9"
    )
    assert_wrong(findings["dns"], "hub.nowhere.invalid", "name server")
    assert_unseen(findings["proxy"], "no proxy")


# Proxies


async def test_without_a_proxy_there_is_none_to_look_at(examined: Examined) -> None:
    assert_unseen((await examined())["proxy"], "no proxy is set")


async def test_a_proxy_that_lets_the_node_through(examined: Examined, authority: Authority) -> None:
    async with serving(hello, authority.server) as server, proxied() as (proxy, address):
        findings = await examined(
            CENTRAL_HUB_API_URL=server.url,
            EXTRA_CA_CERTS=str(authority.bundle),
            PROXY__HTTPS_URL=f"http://clinic:proxy-secret-4711@{address}",
        )
    assert_well(findings["proxy"], address)
    assert "verified" in findings["tls"].seen
    assert any(line.startswith("CONNECT ") for line in proxy.lines)
    assert "4711" not in repr(findings)


async def test_a_proxy_that_wants_credentials_for_tls_and_for_plain_http(
    examined: Examined, hub: RunningHub
) -> None:
    async with proxied(refuses=True) as (_, address):
        tunnel = await examined(
            CENTRAL_HUB_API_URL="https://hub.example", PROXY__HTTPS_URL=f"http://{address}"
        )
        plain = await examined(PROXY__HTTP_URL=f"http://{address}")
    for findings in (tunnel, plain):
        assert_wrong(findings["proxy"], "407", "user:password@")


async def test_a_proxy_that_is_away(examined: Examined) -> None:
    findings = await examined(PROXY__HTTP_URL="http://clinic:proxy-secret-4711@127.0.0.1:9")
    assert_wrong(findings["proxy"], "127.0.0.1:9: connection refused", "PROXY__HTTP_URL")
    assert "4711" not in repr(findings)


async def test_a_proxy_of_a_kind_that_is_not_supported(
    examined: Examined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.example:1080")
    assert_wrong((await examined())["proxy"], "HTTPS_PROXY", "correct")


# The FL server


async def test_an_fl_server_that_accepts_connections_or_not(examined: Examined) -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    well = await examined(NLB_SUBDOMAIN="127.0.0.1", FL_SERVER_PORT=str(port))
    server.close()
    await server.wait_closed()
    assert_well(well["fl-server"], f"127.0.0.1:{port}")
    away = await examined(NLB_SUBDOMAIN="127.0.0.1", FL_SERVER_PORT=str(port))
    assert_wrong(away["fl-server"], "connection refused", "allow-local-trust")


async def test_an_fl_server_that_nobody_has_named(examined: Examined) -> None:
    assert_unseen((await examined())["fl-server"], "NLB_SUBDOMAIN")
    assert_unseen((await examined(NLB_SUBDOMAIN="<from-the-hub>"))["fl-server"], "NLB_SUBDOMAIN")


async def test_an_fl_server_of_the_kit_file(examined: Examined, tmp_path: Path) -> None:
    kit = tmp_path / "kit"
    kit.write_text("NLB_SUBDOMAIN=127.0.0.1\nFL_SERVER_PORT=9\n")
    assert_wrong((await examined(kit=kit))["fl-server"], "127.0.0.1:9: connection refused", "TCP 9")
    kit.write_text("NLB_SUBDOMAIN=127.0.0.1\nFL_SERVER_PORT=none\n")
    assert_wrong((await examined(kit=kit))["fl-server"], "no port", "kit")


async def test_an_fl_server_without_an_address(examined: Examined) -> None:
    findings = await examined(NLB_SUBDOMAIN="fl.nowhere.invalid")
    assert_wrong(findings["fl-server"], "no address", "firewall")
