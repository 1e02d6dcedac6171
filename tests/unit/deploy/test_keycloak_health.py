"""The health check of Keycloak's container, as it stands in the Compose file, against answers of a server."""

from __future__ import annotations

import socket
import subprocess
import threading

import pytest

from tests.unit.deploy.compose_files import merged

(CMD, *COMMAND) = merged("compose.yml")["services"]["keycloak"]["healthcheck"]["test"]
PORT = "/127.0.0.1/9000"
UP = b'{"status": "DOWN", "checks": [{"name": "database", "status": "UP"}]}'


def check(answer: bytes) -> int:
    """What the check ends with when the port of management answers so."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                asked = b""
                while not asked.endswith(b"\r\n\r\n"):
                    asked += connection.recv(1000)
                assert asked.startswith(b"GET /health/ready HTTP/1.0\r\n")
                connection.sendall(answer)

        serving = threading.Thread(target=serve)
        serving.start()
        # Compose makes one dollar of two.
        words = [word.replace("$$", "$").replace(PORT, f"/127.0.0.1/{port}") for word in COMMAND]
        code = subprocess.run(words, check=False, timeout=60).returncode
        serving.join(60)
    return code


@pytest.mark.parametrize(
    ("answer", "well"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\n{}", True),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", True),
        (b"HTTP/1.0 503 Service Unavailable\r\n\r\n" + UP, False),
        (b"HTTP/1.0 404 Not Found\r\n\r\n", False),
        (b"", False),
    ],
)
def test_only_the_status_of_the_answer_counts(answer: bytes, well: bool) -> None:
    assert (check(answer) == 0) is well


def test_no_shell_but_the_images_own_bash_is_needed() -> None:
    assert (CMD, *COMMAND[:2]) == ("CMD", "bash", "-c")
    assert PORT in COMMAND[2]
