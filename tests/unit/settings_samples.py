"""A complete set of variables to start from, and keys and certificates to fill in."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

KEY = ec.derive_private_key(12345678901234567890, ec.SECP256R1())


def private_pem(
    key: ec.EllipticCurvePrivateKey = KEY,
    form: PrivateFormat = PrivateFormat.PKCS8,
    encryption: KeySerializationEncryption | None = None,
) -> str:
    """The key as PEM text."""
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption()).decode("ascii")


def encrypted_pem(form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    """The key as PEM text that needs a passphrase."""
    return private_pem(form=form, encryption=BestAvailableEncryption(b"passphrase"))


def certificate_pem() -> bytes:
    """A certificate authority of a hospital that inspects its TLS traffic."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Hospital Inspection CA")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(KEY, SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)


COMPLETE = {
    "HUB__AUTH__FLOW": "robot",
    "HUB__AUTH__ID": "beepboop",
    "HUB__AUTH__SECRET": "robot-secret-4711",
    "MINIO__ENDPOINT": "localhost:9000",
    "MINIO__ACCESS_KEY": "admin",
    "MINIO__SECRET_KEY": "store-secret-4711",
    "MINIO__BUCKET": "flame",
    "OIDC__CERTS_URL": "http://my.idp.org/realms/flame/protocol/openid-connect/certs",
    "POSTGRES__HOST": "localhost",
    "POSTGRES__USER": "flame",
    "POSTGRES__PASSWORD": "database-secret-4711",
    "POSTGRES__DB": "flame",
    "CRYPTO__PROVIDER": "raw",
    "CRYPTO__ECDH_PRIVATE_KEY": private_pem(),
}
"""The least a node needs."""

DATABASE = {name: value for name, value in COMPLETE.items() if name.startswith("POSTGRES__")}
"""What every service needs."""

AES_KEY = base64.b64encode(bytes(range(32))).decode("ascii")
OTHER_AES_KEY = base64.b64encode(bytes(range(32, 64))).decode("ascii")

TASKS = DATABASE | {
    "CENTRAL_HUB_API_URL": "https://hub.example/api",
    "TRUST_API_KEY": "trust-api-secret-4711",
    "AES_KEY_BASE64": AES_KEY,
}
"""The least that the task side needs."""

DATA_ACCESS = DATABASE | {
    "AES_KEY_BASE64": AES_KEY,
    "DATA_ACCESS_POSTGRES_USER": "data_analyst_reader",
    "DATA_ACCESS_POSTGRES_PASSWORD": "reader-secret-4711",
    "OMOP_POSTGRES_DB": "omop",
}
"""The least that data-access-api needs."""

RELAY = {"OMOP_SERVER": "omop.hospital.example:5432"}
"""The least that omop-relay needs."""

TRUST_SECRETS = {
    "TRUST_INTERNAL_SERVICE_KEY": "internal-secret-4711",
    "TRUST_AES_KID": "ours",
    "TRUST_AES_KEY_BASE64": OTHER_AES_KEY,
}
"""Secrets that the services of a trust can be given beside those."""

EVERY_SECRET = COMPLETE | {
    "PROXY__HTTP_URL": "http://clinic:proxy-secret-4711@proxy.clinic.example:3128",
    "PROXY__HTTPS_URL": "http://clinic:t%40ls-secret%2F4711@proxy.clinic.example:3129",
}
"""Variables with a value for every secret that can be set beside the others."""


def without(*names: str) -> dict[str, str]:
    """The complete set, but for these."""
    return {name: value for name, value in COMPLETE.items() if name not in names}
