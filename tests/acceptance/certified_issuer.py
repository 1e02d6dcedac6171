"""An issuer that somebody else has written: `oidc-provider` of npm, where Node.js is at hand.

Installed into `.cache` on first use, in one exact release.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from flame_node_agent.devstack.ports import LOOPBACK, free_ports

RELEASE = "oidc-provider@9.13.3"
_OLDEST_NODE = 20

_SCRIPT = Path(__file__).with_suffix(".mjs")
_INSTALL_SECONDS = 100
_CACHE = Path(__file__).parents[2] / ".cache"


def _at_hand() -> bool:
    if shutil.which("node") is None or shutil.which("npm") is None:
        return False
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout
    major = said.removeprefix("v").partition(".")[0]
    return major.isdecimal() and int(major) >= _OLDEST_NODE


AT_HAND = _at_hand()
"""Whether there is a Node.js that it runs on."""


@dataclass(frozen=True)
class CertifiedIssuer:
    """One that runs, with one client."""

    url: str
    client_id: str
    client_secret: str

    @property
    def certs_url(self) -> str:
        return f"{self.url}/jwks"

    def token(self) -> str:
        """From its token endpoint, as an analysis' pod gets one (RFC 6749, 4.4)."""
        answer = httpx.post(
            f"{self.url}/token",
            data={"grant_type": "client_credentials"},
            auth=(self.client_id, self.client_secret),
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


@contextmanager
def certified_issuer(client_id: str, client_secret: str) -> Iterator[CertifiedIssuer]:
    """Runs within the block."""
    port = free_ports(1)[0]
    script = _installed() / _SCRIPT.name
    with subprocess.Popen(
        ["node", str(script), str(port), client_id, client_secret], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            # It also warns of what a production server would need.
            assert any(line == "ready\n" for line in process.stdout), "oidc-provider does not start"
            yield CertifiedIssuer(f"http://{LOOPBACK}:{port}", client_id, client_secret)
        finally:
            process.kill()


def _installed() -> Path:
    """The folder with the package and the script."""
    place = _CACHE / RELEASE.replace("@", "-")
    _CACHE.mkdir(exist_ok=True)
    with (_CACHE / f"{place.name}.lock").open("w") as lock:
        # Test workers run side by side.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            with tempfile.TemporaryDirectory(dir=_CACHE) as scratch:
                fresh = Path(scratch) / "package"
                fresh.mkdir()
                options = ["--no-save", "--no-audit", "--no-fund", "--prefix", str(fresh)]
                subprocess.run(["npm", "install", *options, RELEASE], check=True, timeout=_INSTALL_SECONDS)
                shutil.move(fresh, place)
        shutil.copy(_SCRIPT, place)
    return place
