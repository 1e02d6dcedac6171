"""The certificates of the servers outside, as the doctor sees them: real handshakes, directly and through a proxy."""

from __future__ import annotations

import ssl
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from flame_node_agent.doctor.findings import Finding, State
from tests.integration.doctor.conftest import Examined
from tests.integration.doctor.verdicts import assert_unseen, assert_well, assert_wrong
from tests.unit.hub.authorities import Authority
from tests.unit.hub.forward_proxies import proxied
from tests.unit.hub.servers import Peer, hello, serving


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


def assert_ends_soon(finding: Finding, said: str) -> None:
    """It is well today, and there is something to do."""
    assert finding.state is State.OK, finding
    assert said in finding.seen
    assert "for a new certificate" in finding.do


async def test_a_certificate_tells_how_long_it_is_valid_and_warns_in_its_last_fortnight(
    examined: Examined, tmp_path: Path
) -> None:
    own = certificate(tmp_path, days=(-1, 61))
    async with serving(hello, own.server) as server:
        settings = {"CENTRAL_HUB_API_URL": server.url, "EXTRA_CA_CERTS": str(own.bundle)}
        young = await examined(**settings)
        old = await examined(**settings, ground={"now": lambda: time.time() + 50 * 86_400})
    assert_well(young["tls"], "127.0.0.1: verified, valid for 60 days (until 20")
    assert_ends_soon(old["tls"], "valid for 10 days")
    assert "127.0.0.1" in old["tls"].do


async def test_whoever_inspects_the_traffic_is_named_when_believed_and_when_not(
    examined: Examined, authority: Authority
) -> None:
    async with serving(hello, authority.server) as server:
        believed = await examined(CENTRAL_HUB_API_URL=server.url, EXTRA_CA_CERTS=str(authority.bundle))
        unknown = await examined(CENTRAL_HUB_API_URL=server.url)
    assert "signed by “Clinic CA” of EXTRA_CA_CERTS" in believed["tls"].seen
    assert_wrong(unknown["tls"], "signed by “Clinic CA”", "if “Clinic CA” is of a proxy that inspects TLS")
    assert "EXTRA_CA_CERTS" in unknown["tls"].do


async def test_behind_a_proxy_the_signer_is_named_as_well_and_nothing_is_said_to_him(
    examined: Examined, authority: Authority
) -> None:
    heard: list[bytes] = []

    async def listening(peer: Peer) -> None:
        heard.append(await peer.reader.read(1 << 16))

    async with serving(listening, authority.server) as server, proxied() as (_, address):
        findings = await examined(CENTRAL_HUB_API_URL=server.url, PROXY__HTTPS_URL=f"http://{address}")
    assert_wrong(findings["tls"], "signed by “Clinic CA”", "EXTRA_CA_CERTS")
    assert b"".join(heard) == b""


@pytest.mark.parametrize(
    ("made", "said", "do"),
    [
        ({"days": (-3, -1)}, "certificate has expired", "out of its time"),
        ({"days": (1, 3)}, "not yet valid", "clock"),
        ({"address": "127.0.0.2"}, "mismatch", "another name"),
    ],
)
async def test_a_certificate_that_is_out_of_its_time_or_for_another(
    examined: Examined, tmp_path: Path, made: dict[str, object], said: str, do: str
) -> None:
    own = certificate(tmp_path, **made)
    async with serving(hello, own.server) as server:
        findings = await examined(CENTRAL_HUB_API_URL=server.url, EXTRA_CA_CERTS=str(own.bundle))
    assert_wrong(findings["tls"], said, do)
    assert "valid until 20" in findings["tls"].seen


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
