"""A certificate authority of a test's own, such as a hospital's TLS inspection has."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Authority:
    """What a client must trust, and what a server needs."""

    bundle: Path
    server: ssl.SSLContext


def make_authority(folder: Path, name: str = "Clinic CA", host: str = "") -> Authority:
    """Make an authority without key identifiers, and a certificate by it for 127.0.0.1, or for the name ``host``."""
    key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    whose = x509.DNSName(host) if host else x509.IPAddress(ip_address("127.0.0.1"))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    authority = (
        _template(subject, subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=False)
        .sign(key, SHA256())
    )
    certificate = (
        _template(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")]), subject, server_key.public_key()
        )
        .add_extension(x509.SubjectAlternativeName([whose]), critical=False)
        .sign(key, SHA256())
    )
    bundle, chain = folder / f"{name}.pem", folder / f"{name} server.pem"
    bundle.write_bytes(authority.public_bytes(Encoding.PEM))
    chain.write_bytes(
        server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.public_bytes(Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    return Authority(bundle, server)


def _template(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
