"""The certificates of the servers outside: whether they are believed, until when, and who has signed them."""

from __future__ import annotations

import asyncio
import ssl
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from flame_node_agent.doctor.endpoints import Endpoint, outside, routes
from flame_node_agent.doctor.findings import Finding, failed, ok, skipped, warned
from flame_node_agent.doctor.ground import Ground
from flame_node_agent.errors import HubUnavailable
from flame_node_agent.hub.exchange import opened
from flame_node_agent.hub.presented import presented_certificate

SOON_DAYS = 14
SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class Believed:
    """What a server has shown, and the agent believes."""

    host: str
    days: int
    """Until the first certificate of the chain ends."""
    until: datetime
    inspector: str | None
    """Name of the authority, when it is one of EXTRA_CA_CERTS."""

    def __str__(self) -> str:
        told = f"{self.host}: verified, valid for {self.days} days (until {self.until:%Y-%m-%d})"
        return told + (f", signed by {self.inspector} of EXTRA_CA_CERTS" if self.inspector else "")


async def check_tls(ground: Ground) -> Finding:
    """Whether the certificates of the servers outside are believed here, by the agent's own rules, and for how long."""
    secured = [endpoint for endpoint in outside(ground) if endpoint.is_tls]
    if not secured:
        plain = ", ".join(endpoint.host for endpoint in outside(ground))
        return skipped(f"no TLS on the way to {plain}" if plain else "nothing is connected to outside")
    # All at once: where a firewall swallows packets, each takes its whole time.
    outcomes = await asyncio.gather(
        *(_look(ground, endpoint) for endpoint in secured), return_exceptions=True
    )
    believed = []
    for endpoint, outcome in zip(secured, outcomes, strict=True):
        if isinstance(outcome, Believed):
            believed.append(outcome)
        elif (problem := _certificate_problem(outcome)) is not None:
            return await _refused(ground, endpoint, problem)
        elif not isinstance(outcome, HubUnavailable):
            raise outcome
    if not believed:
        return skipped("nobody answers")
    seen = "; ".join(map(str, believed))
    ending = [each.host for each in believed if each.days < SOON_DAYS]
    if ending:
        return warned(seen, f"ask who runs {', '.join(ending)} for a new certificate before it ends")
    return ok(seen)


async def _look(ground: Ground, endpoint: Endpoint) -> Believed:
    """Ask a server, as the agent would, for nothing. Raises HubUnavailable."""
    client = ground.transport.client(endpoint.url)
    async with opened(client, client.build_request("HEAD", ""), endpoint.what) as response:
        chain = _chain(response.extensions["network_stream"].get_extra_info("ssl_object"))
    until = min(each.not_valid_after_utc for each in chain)
    left = until - datetime.fromtimestamp(ground.now(), UTC)
    own = _own_authorities(ground)
    signers = [each.issuer for each in chain if each.issuer in own]
    return Believed(endpoint.host, left.days, until, _name(signers[0]) if signers else None)


def _chain(connection: ssl.SSLObject) -> list[x509.Certificate]:
    """The certificates from the server's own to the authority's; older Pythons tell the first alone."""
    if sys.version_info >= (3, 13):
        return [x509.load_der_x509_certificate(each) for each in connection.get_verified_chain()]
    own = connection.getpeercert(binary_form=True)
    assert own is not None  # the handshake has verified one
    return [x509.load_der_x509_certificate(own)]


def _own_authorities(ground: Ground) -> set[x509.Name]:
    """Whom the operator has told the node to believe, beside the authorities of the system."""
    path: Path | None = ground.outbound.extra_ca_certs if ground.outbound is not None else None
    if path is None:
        return set()
    return {each.subject for each in x509.load_pem_x509_certificates(path.read_bytes())}


def _name(name: x509.Name) -> str:
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        if found := name.get_attributes_for_oid(kind):
            return f"“{found[0].value!s}”"
    return f"“{name.rfc4514_string()}”"


def _certificate_problem(error: BaseException) -> str | None:
    """The reason of a handshake that has failed; None when something else was in the way."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        if isinstance(cause, ssl.SSLError):
            return cause.reason or type(cause).__name__
        cause = cause.__cause__ or cause.__context__
    return None


async def _refused(ground: Ground, endpoint: Endpoint, problem: str) -> Finding:
    """Say what is wrong with a certificate, and whose it is."""
    shown = await presented_certificate(endpoint.url, routes(ground).proxy_for(endpoint.url))
    seen = f"{endpoint.host}: {problem}"
    if shown is None:
        return failed(seen, _advice(problem, "it"))
    signer = _name(shown.issuer)
    return failed(
        f"{seen}; it shows a certificate signed by {signer}, valid until {shown.not_valid_after_utc:%Y-%m-%d}",
        _advice(problem, signer),
    )


def _advice(problem: str, signer: str) -> str:
    match problem:
        case text if "expired" in text or "not yet valid" in text:
            return "the certificate is out of its time, or the clock of this host is wrong; tell who runs the server"
        case text if "mismatch" in text or "not valid for" in text:
            return "the server has a certificate for another name: check the address in the settings"
        case text if "issuer" in text or "self" in text:
            return (
                f"if {signer} is of a proxy that inspects TLS in this building, name its authority in EXTRA_CA_CERTS; "
                "else somebody is between: connect nowhere, and tell your IT security"
            )
        case _:
            return "check whether the address is spoken to over TLS, and what is between"
