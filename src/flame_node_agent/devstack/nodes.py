"""EC key pairs of this node and of the other nodes it exchanges files with."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from flame_node_agent.crypto.keys import public_key_pem
from flame_node_agent.devstack.private_files import read_json, write_json, write_private

OWN_CURVE = ec.SECP256R1.name
"""What the FLAME hub's user interface generates for a node."""

OTHER_CURVE = ec.SECP384R1.name

_CURVES: dict[str, ec.EllipticCurve] = {OWN_CURVE: ec.SECP256R1(), OTHER_CURVE: ec.SECP384R1()}


@dataclass(frozen=True)
class NodeKeys:
    """A node as the hub knows it (id, public key) together with what only the node knows (private key)."""

    id: uuid.UUID
    name: str
    curve: str
    private_key_pem: str

    @classmethod
    def generate(cls, name: str, curve: str = OWN_CURVE) -> NodeKeys:
        """A new node with a fresh key pair on ``curve`` (secp256r1 or secp384r1)."""
        private = ec.generate_private_key(_CURVES[curve])
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return cls(uuid.uuid4(), name, curve, pem.decode())

    @property
    def private_key(self) -> ec.EllipticCurvePrivateKey:
        key = serialization.load_pem_private_key(self.private_key_pem.encode(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"the key of node {self.name} is no EC key")
        return key

    @property
    def public_key_pem(self) -> str:
        """SubjectPublicKeyInfo, as it is given to the hub."""
        return public_key_pem(self.private_key)


@dataclass(frozen=True)
class NodeRegister:
    """The nodes of one development stack: our own, one on our curve and one on the other."""

    own: NodeKeys
    own_key_path: Path
    peer: NodeKeys
    stranger: NodeKeys

    @classmethod
    def load(cls, directory: Path) -> NodeRegister:
        """The register kept in ``directory``, made on first use."""
        stored = directory / "nodes.json"
        known = read_json(stored)
        nodes = {
            role: _from_json(known[role]) if role in known else NodeKeys.generate(name, curve)
            for role, name, curve in (
                ("own", "this-node", OWN_CURVE),
                ("peer", "node-on-our-curve", OWN_CURVE),
                ("stranger", "node-on-another-curve", OTHER_CURVE),
            )
        }
        write_json(stored, {role: _to_json(node) for role, node in nodes.items()})
        key_path = (directory / "private_key.pem").resolve()
        write_private(key_path, nodes["own"].private_key_pem)
        return cls(own=nodes["own"], own_key_path=key_path, peer=nodes["peer"], stranger=nodes["stranger"])

    @property
    def others(self) -> tuple[NodeKeys, NodeKeys]:
        return (self.peer, self.stranger)


def _to_json(node: NodeKeys) -> dict[str, str]:
    return {
        "id": str(node.id),
        "name": node.name,
        "curve": node.curve,
        "private_key_pem": node.private_key_pem,
    }


def _from_json(stored: dict[str, str]) -> NodeKeys:
    return NodeKeys(uuid.UUID(stored["id"]), stored["name"], stored["curve"], stored["private_key_pem"])
