"""What is outside of the trust: the development hub and an issuer's keys, as containers on the stack's way out."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from flame_node_agent.kit.env_text import EnvText
from flame_node_agent.kit.public import public_facts
from tests.deploy.engine import Engine
from tests.deploy.images import NODE

ANALYSIS = str(uuid.UUID(int=0xA0))
PROJECT = str(uuid.UUID(int=0xB0))
TRUST_ID = str(uuid.UUID(int=0xC0))
CLIENT = {"id": str(uuid.UUID(int=0xD0)), "secret": "of the development hub"}

_ASK = """
import json, sys, urllib.request
method, path, body = sys.argv[1:]
request = urllib.request.Request(f"http://127.0.0.1:8000{path}", body.encode() or None, method=method)
request.add_header("Content-Type", "application/json")
sys.stdout.write(urllib.request.urlopen(request, timeout=20).read().decode())
"""


@dataclass
class Outside:
    """Two containers named after the stack whose network they join as ``hub`` and ``issuer``."""

    engine: Engine
    folder: Path
    stack: str
    key: RSAKey = field(
        default_factory=lambda: RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
    )

    def start(self, kit: EnvText) -> None:
        """Let a hub know this kit's trust, and show the issuer's keys."""
        for name, files in (("hub", {"hub-seed.json": _seed(kit)}), ("issuer", {"certs": self._jwks()})):
            place = self.folder / name
            place.mkdir(parents=True, exist_ok=True)
            place.chmod(0o777)
            for file, content in files.items():
                (place / file).write_text(json.dumps(content))
        hub = [
            "python",
            "-m",
            "flame_node_agent.devstack.hub",
            "--state-dir",
            "/state",
            "--host",
            "0.0.0.0",
            "--port",
        ]
        self._run("hub", [*hub, "8000", "--profile", "0.8.30"])
        self._run("issuer", ["python", "-m", "http.server", "8000", "--directory", "/state"])
        self.await_hub()

    def _run(self, name: str, command: list[str]) -> None:
        place = (
            "--network",
            f"{self.stack}_egress",
            "--network-alias",
            name,
            "--name",
            f"{self.stack}-{name}",
        )
        volume = ("--volume", f"{self.folder / name}:/state")
        self.engine.docker("run", "-d", "--no-healthcheck", *place, *volume, NODE, *command)

    def stop(self) -> None:
        """Remove both."""
        self.engine.docker("rm", "-f", f"{self.stack}-hub", f"{self.stack}-issuer", check=False)

    def restart(self) -> None:
        """Start both again after the engine was killed; returns when the hub answers."""
        self.engine.docker("start", f"{self.stack}-hub", f"{self.stack}-issuer")
        self.await_hub()

    def await_hub(self) -> None:
        """Wait until the hub answers."""
        ask = ("exec", f"{self.stack}-hub", "python", "-c", _ASK, "GET", "/admin/tasks?limit=1", "")
        deadline = time.monotonic() + 240
        while not self.engine.docker(*ask, check=False).startswith("["):
            assert time.monotonic() < deadline, "the hub does not answer"
            time.sleep(0.5)

    def leave(self) -> None:
        """Leave the trust's network, which would otherwise stay."""
        for name in ("hub", "issuer"):
            self.engine.docker("network", "disconnect", f"{self.stack}_egress", f"{self.stack}-{name}")

    def come_back(self) -> None:
        """Join it again."""
        for name in ("hub", "issuer"):
            self.engine.docker(
                "network", "connect", "--alias", name, f"{self.stack}_egress", f"{self.stack}-{name}"
            )

    def address(self, name: str) -> str:
        """The address of ``hub`` or ``issuer`` on the trust's way out."""
        wanted = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return self.engine.docker("inspect", "--format", wanted, f"{self.stack}-{name}").strip()

    def token(self) -> str:
        """A token of the analysis."""
        now = int(time.time())
        claims = {"client_id": ANALYSIS, "sub": ANALYSIS, "iat": now, "exp": now + 3600}
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Use the hub's admin API, from inside its container, as it is for the machine itself."""
        text = json.dumps(body) if body is not None else ""
        return json.loads(
            self.engine.docker("exec", f"{self.stack}-hub", "python", "-c", _ASK, method, path, text)
            or "null"
        )

    def _jwks(self) -> dict[str, Any]:
        return dict(KeySet([self.key]).as_dict(private=False))


def _seed(kit: EnvText) -> dict[str, Any]:
    values, public = kit.values, public_facts(kit).ecdh_public_key_hex
    own = {"id": str(uuid.UUID(int=0xE0)), "name": "own", "public_key_pem": public, "client_id": CLIENT["id"]}
    key = values["TRUST_API_KEY"]
    trust = {"id": TRUST_ID, "name": values["TRUST_NAME"], "code": "T2", "region": "north", "api_key": key}
    return {
        "robot": {"id": str(uuid.UUID(int=0xD1)), "secret": "unused"},
        "client": CLIENT,
        "user": {"username": "admin", "password": "of the development hub"},
        "nodes": [own],
        "projects": [{"id": PROJECT, "name": "sepsis-cohort"}],
        "analyses": [{"id": ANALYSIS, "name": "train-model", "project_id": PROJECT}],
        "trust": trust,
        "aes_key_base64": values["AES_KEY_BASE64"],
    }
