"""Participant kits in NVFLARE's form, as `nvflare provision` lays them out."""

from __future__ import annotations

import base64
import datetime as dt
import json
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

TODAY = dt.datetime.now(dt.UTC)


def write_kit(kit: Path, slot: str, *, release: str = "1", days: int = 360, signed: bool = True) -> None:
    """Write a whole kit for ``slot``; ``release`` makes it differ from others, ``days`` is how long it is valid."""
    root_key, own_key = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    root = _certificate("hub", "hub", root_key, root_key, days=3600)
    own = _certificate(slot, "hub", own_key, root_key, days=days)
    (kit / "startup").mkdir(parents=True)
    (kit / "local").mkdir()
    (kit / "startup/rootCA.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))
    (kit / "startup/client.crt").write_bytes(own.public_bytes(serialization.Encoding.PEM))
    (kit / "startup/client.key").write_bytes(
        own_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    client = {
        "fqsn": slot,
        "ssl_private_key": "client.key",
        "ssl_cert": "client.crt",
        "ssl_root_cert": "rootCA.pem",
    }
    _write_json(kit / "startup/fed_client.json", {"format_version": 2, "client": client, "release": release})
    (kit / "startup/start.sh").write_text("#!/usr/bin/env bash\nexec ./sub_start.sh\n")
    _write_json(kit / "local/resources.json.default", {"format_version": 2, "components": []})
    (kit / "local/log_config.json.default").write_text("{}\n")
    if signed:
        _sign(kit / "startup", root_key)


def _certificate(
    name: str, issuer: str, key: rsa.RSAPrivateKey, signer: rsa.RSAPrivateKey, *, days: int
) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    return (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(TODAY - dt.timedelta(days=30))
        .not_valid_after(TODAY + dt.timedelta(days=days))
        .sign(signer, hashes.SHA256())
    )


def _sign(folder: Path, key: rsa.RSAPrivateKey) -> None:
    scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.MAX_LENGTH)
    signatures = {
        path.name: base64.b64encode(key.sign(path.read_bytes(), scheme, hashes.SHA256())).decode()
        for path in folder.iterdir()
    }
    _write_json(folder / "signature.json", signatures)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")
