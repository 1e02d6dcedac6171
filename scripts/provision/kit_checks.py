"""Whether a participant kit for federated learning is whole, and the trust's own.

Source: FLIP, deploy/providers/AWS/Makefile (not empty, ``fqsn`` is the slot), and NVFLARE's ``lighter`` for the rest.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

FLARE_FOLDERS = ("startup", "local", "transfer")
FLARE_FILES = (
    "startup/fed_client.json",
    "startup/client.crt",
    "startup/client.key",
    "startup/rootCA.pem",
    "startup/start.sh",
)
SIGNATURES = "signature.json"


def problems_of(kit: Path, backend: str, slot: str, slot_number: str = "") -> list[str]:
    """What is wrong with an unpacked kit; nothing when it may be used."""
    return _flower_problems(kit, slot_number) if backend == "flower" else _flare_problems(kit, slot)


def _flare_problems(kit: Path, slot: str) -> list[str]:
    found = _missing_or_empty(kit, FLARE_FILES)
    if not _files(kit / "local"):
        found.append("local/ is empty")
    for path in sorted([*_files(kit / "startup"), *_files(kit / "local")]):
        # Ends that were cut off show in JSON; `.default` and `.sample` are JSON as well.
        if ".json" in path.name and _json(path) is None:
            found.append(f"{path.relative_to(kit)} is not valid JSON")
    if found:
        return found
    name = (_json(kit / "startup/fed_client.json") or {}).get("client", {}).get("fqsn")
    if name != slot:
        found.append(
            f"fqsn in startup/fed_client.json is {name!r}, not {slot!r}: this is another participant's kit"
        )
    return found + _certificate_problems(kit / "startup", slot) + _signature_problems(kit)


def _certificate_problems(startup: Path, slot: str) -> list[str]:
    try:
        root = x509.load_pem_x509_certificate((startup / "rootCA.pem").read_bytes())
        own = x509.load_pem_x509_certificate((startup / "client.crt").read_bytes())
    except ValueError as error:
        return [f"a certificate cannot be read: {error}"]
    try:
        key = serialization.load_pem_private_key((startup / "client.key").read_bytes(), None)
    except (ValueError, TypeError):
        return ["startup/client.key is not a private key"]
    found = []
    spki = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*spki) != own.public_key().public_bytes(*spki):
        found.append("startup/client.key does not belong to startup/client.crt")
    try:
        own.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        found.append("startup/client.crt was not issued by startup/rootCA.pem")
    names = [name.value for name in own.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    if slot not in names:
        found.append(f"startup/client.crt is for {', '.join(map(str, names)) or 'nobody'}, not {slot}")
    now = dt.datetime.now(dt.UTC)
    for what, certificate in (("client.crt", own), ("rootCA.pem", root)):
        if (
            not certificate.not_valid_before_utc - dt.timedelta(days=1)
            <= now
            < certificate.not_valid_after_utc
        ):
            found.append(
                f"startup/{what} is valid until {certificate.not_valid_after_utc:%Y-%m-%d} only, and not today"
            )
    return found


def _signature_problems(kit: Path) -> list[str]:
    """Signatures are made for some kinds of kits only; where they are, they must be right."""
    root = x509.load_pem_x509_certificate((kit / "startup/rootCA.pem").read_bytes())
    key = root.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        return []
    found = []
    for listing in sorted(kit.rglob(SIGNATURES)):
        signatures = _json(listing) or {}
        for path in sorted(listing.parent.iterdir()):
            if path.is_dir() or path.name == SIGNATURES:
                continue
            try:
                key.verify(
                    base64.b64decode(signatures.get(path.name, ""), validate=True),
                    path.read_bytes(),
                    padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.AUTO),
                    hashes.SHA256(),
                )
            except (InvalidSignature, ValueError, TypeError):
                found.append(f"{path.relative_to(kit)} is not what the hub has signed")
    return found


def _flower_problems(kit: Path, number: str) -> list[str]:
    if not number.isdigit():
        return ["FL_KIT_SLOT_NUMBER is missing: it is the number N of keys/supernode_credentials_N"]
    own = f"keys/supernode_credentials_{number}"
    found = _missing_or_empty(kit, ("certificates/ca.crt", own))
    if not found:
        try:
            x509.load_pem_x509_certificate((kit / "certificates/ca.crt").read_bytes())
        except ValueError as error:
            found.append(f"certificates/ca.crt cannot be read: {error}")
        if not _is_private_key((kit / own).read_bytes()):
            found.append(f"{own} is not a private key")
    return found


def _is_private_key(data: bytes) -> bool:
    """Flower's are made by ``ssh-keygen``, in OpenSSH's form or as PEM."""
    for load in (serialization.load_ssh_private_key, serialization.load_pem_private_key):
        try:
            load(data, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        return True
    return False


def _missing_or_empty(kit: Path, names: tuple[str, ...]) -> list[str]:
    found = []
    for name in names:
        path = kit / name
        if not path.is_file():
            found.append(f"{name} is missing")
        elif path.stat().st_size == 0:
            found.append(f"{name} is empty")
    return found


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
