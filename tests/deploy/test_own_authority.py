"""The hospital's own authority: trust-api believes what it has certified, once it lies in ``certificates``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.trust_host import TrustHost, until
from tests.unit.hub.authorities import make_authority

SEEN_AS = "/etc/flame-node/certificates"
PORT = 18443
SECONDS = 120
SERVE = f"""
import http.server, ssl
server = http.server.ThreadingHTTPServer(("127.0.0.1", {PORT}), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("{SEEN_AS}/Hospital CA server.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
LISTENS = f"exec 3<>/dev/tcp/127.0.0.1/{PORT} && echo yes"


@pytest.fixture
def certificates(trust: TrustHost) -> Iterator[Path]:
    """The operator's folder with two authorities, and in trust-api, for a while, a server that one has certified."""
    folder = trust.folder / "trust/certificates"
    before = set(folder.iterdir())
    for name in ("Hospital CA", "Another CA"):
        make_authority(folder, name)
    for path in folder.iterdir():
        path.chmod(0o644)
    trust.engine.docker("exec", "--detach", "trust-api", "timeout", str(SECONDS), "python", "-c", SERVE)
    until(lambda: "yes" in trust.inside("trust-api", "bash", "-c", LISTENS, check=False), "the server")
    yield folder
    for path in set(folder.iterdir()) - before:
        path.unlink()


def _tls_line(trust: TrustHost, authority: str) -> str:
    """What the doctor says of certificates to an agent whose kit leads to that server."""
    settings = (
        f"CENTRAL_HUB_API_URL=https://127.0.0.1:{PORT}/api",
        f"EXTRA_CA_CERTS={SEEN_AS}/{authority}.pem",
    )
    told = [part for setting in settings for part in ("--env", setting)]
    said = trust.engine.docker("exec", *told, "trust-api", "flame-node", "doctor", check=False)
    return next((line for line in said.splitlines() if line[2:].startswith("tls ")), said)


def test_an_authority_in_the_folder_is_believed_and_another_is_not(
    trust: TrustHost, certificates: Path
) -> None:
    line = _tls_line(trust, "Another CA")
    assert line.startswith("✘"), line
    line = _tls_line(trust, "Hospital CA")
    assert line.startswith("✔"), line
    assert "127.0.0.1" in line


def test_the_agent_cannot_write_among_the_authorities(trust: TrustHost) -> None:
    said = trust.inside("trust-api", "sh", "-c", f"echo x >{SEEN_AS}/x || echo refused", check=False)
    assert "refused" in said
