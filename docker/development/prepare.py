"""Before the first start of the compose file at the root: keys and a seed for the development hub, drawn once.

``/state/hub`` is the hub's, ``/state/public`` what the issuer shows, ``/state/private`` the keys of node and issuer.
"""

import json
import os
import uuid
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import KeySet, RSAKey

STATE = Path("/state")
USER = 10001
CLIENT = {"id": str(uuid.UUID(int=0xD0)), "secret": "development-only"}
PROJECT = str(uuid.UUID(int=0xB0))
ANALYSIS = str(uuid.UUID(int=0xA0))


def main() -> None:
    """Write what is not there yet; everything belongs to the user of the node's image."""
    for name in ("hub", "public", "private"):
        (STATE / name).mkdir(parents=True, exist_ok=True)
    if not (STATE / "private" / "node.pem").exists():
        node = ec.generate_private_key(ec.SECP256R1())
        issuer = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
        _write("hub/hub-seed.json", json.dumps(_seed(_public(node))))
        _write("public/certs", json.dumps(KeySet([issuer]).as_dict(private=False)))
        _write("private/issuer.json", json.dumps(issuer.as_dict(private=True)))
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        _write("private/node.pem", node.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain).decode())
    for path in (STATE, *STATE.rglob("*")):
        os.chown(path, USER, USER)


def _write(name: str, text: str) -> None:
    (STATE / name).write_text(text)
    (STATE / name).chmod(0o600)


def _public(node: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return node.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def _seed(public_key: str) -> dict[str, object]:
    own = {
        "id": str(uuid.UUID(int=0xE0)),
        "name": "own",
        "public_key_pem": public_key,
        "client_id": CLIENT["id"],
    }
    return {
        "robot": {"id": str(uuid.UUID(int=0xD1)), "secret": "development-only"},
        "client": CLIENT,
        "user": {"username": "admin", "password": "development-only"},
        "nodes": [own],
        "projects": [{"id": PROJECT, "name": "sepsis-cohort"}],
        "analyses": [{"id": ANALYSIS, "name": "train-model", "project_id": PROJECT}],
    }


if __name__ == "__main__":
    main()
