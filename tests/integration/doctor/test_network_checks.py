"""The way out, as the doctor sees it: names, proxies, certificates and the FL server's port."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from flame_node_agent.devstack.running_hub import RunningHub
from tests.integration.doctor.conftest import Examined
from tests.integration.doctor.verdicts import assert_unseen, assert_well, assert_wrong
from tests.unit.hub.authorities import Authority
from tests.unit.hub.forward_proxies import proxied
from tests.unit.hub.servers import Peer, hello, serving

# Names


async def test_names_that_are_found_and_one_that_is_not(examined: Examined) -> None:
    assert_well((await examined(MINIO__ENDPOINT="localhost:9", sides="results"))["dns"], "localhost")
    findings = await examined(CENTRAL_HUB_API_URL="http://hub.nowhere.invalid")
    assert_wrong(findings["dns"], "hub.nowhere.invalid (the hub)", "name server")


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
    assert_well(findings["tls"], "verified")
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


# Certificates


def certificate(folder: Path, *, address: str = "127.0.0.1", days: tuple[int, int] = (-1, 1)) -> Authority:
    """A server's certificate that is its own authority, as the test needs it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .sign(key, SHA256())
    )
    bundle, chain = folder / "own.pem", folder / "own chain.pem"
    bundle.write_bytes(made.public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain.write_bytes(private + bundle.read_bytes())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    return Authority(bundle, server)


async def test_a_certificate_of_an_authority_that_is_believed_or_not(
    examined: Examined, authority: Authority
) -> None:
    async with serving(hello, authority.server) as server:
        believed = await examined(CENTRAL_HUB_API_URL=server.url, EXTRA_CA_CERTS=str(authority.bundle))
        unknown = await examined(CENTRAL_HUB_API_URL=server.url)
    assert_well(believed["tls"], "127.0.0.1: verified")
    assert_wrong(unknown["tls"], "issuer certificate", "EXTRA_CA_CERTS")


@pytest.mark.parametrize(
    ("made", "said", "do"),
    [({"days": (-3, -1)}, "expired", "run out"), ({"address": "127.0.0.2"}, "mismatch", "another name")],
)
async def test_a_certificate_that_has_run_out_or_is_for_another(
    examined: Examined, tmp_path: Path, made: dict[str, object], said: str, do: str
) -> None:
    own = certificate(tmp_path, **made)
    async with serving(hello, own.server) as server:
        findings = await examined(CENTRAL_HUB_API_URL=server.url, EXTRA_CA_CERTS=str(own.bundle))
    assert_wrong(findings["tls"], said, do)


async def test_a_server_that_does_not_speak_tls(examined: Examined) -> None:
    async def rude(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(rude) as server:
        findings = await examined(CENTRAL_HUB_API_URL=server.url.replace("http:", "https:"))
    assert_wrong(findings["tls"], "127.0.0.1: ", "over TLS")


async def test_plain_http_and_a_server_that_is_away_say_nothing_of_certificates(examined: Examined) -> None:
    assert_unseen((await examined())["tls"], "no TLS on the way to 127.0.0.1")
    assert_unseen((await examined(CENTRAL_HUB_API_URL="https://127.0.0.1:9"))["tls"], "nobody answers")


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
