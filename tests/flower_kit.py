"""What FLIP's bucket holds of a Flower federation: its certificates, the server's own key, and everybody's keys."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SERVER_KEY = "sentinel of the server's private key"


def write_flower_kit(folder: Path, *numbers: int, release: str = "1", pem: bool = False) -> None:
    """Write the certificates, and the credentials of the supernodes of these numbers."""
    (folder / "certificates").mkdir(parents=True)
    (folder / "keys").mkdir()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"Flower {release}")])
    key = ec.generate_private_key(ec.SECP384R1())
    today = dt.datetime.now(dt.UTC)
    authority = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=360))
        .sign(key, hashes.SHA256())
    )
    (folder / "certificates/ca.crt").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    (folder / "certificates/server.key").write_text(SERVER_KEY)
    form = serialization.PrivateFormat.PKCS8 if pem else serialization.PrivateFormat.OpenSSH
    for number in numbers:
        own = ec.generate_private_key(ec.SECP384R1())
        (folder / f"keys/supernode_credentials_{number}").write_bytes(
            own.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        )
