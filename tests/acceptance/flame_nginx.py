"""The nginx that FLAME's pod orchestration puts in front of the service, one per analysis, as far as it matters here.

Like it: only `/storage/(final|local|intermediate)` leads to the service, with `/storage` cut off; the request is read
to its end first, then spoken as HTTP/1.0 with the Host the client has named, without its port.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from http.client import HTTPConnection, IncompleteRead
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from flame_node_agent.devstack.ports import LOOPBACK

HOST = "nginx-analysis-4d2f"
"""What analyses call it: `nginx-<DEPLOYMENT_NAME>`."""

LOCATION_2025 = re.compile(r"^/storage/(final|local|intermediate)/")
LOCATION_2026 = re.compile(r"^/storage/(final|local|intermediate)")
_NOT_PASSED_ON = {"host", "connection", "keep-alive", "transfer-encoding", "content-length"}


class FlameNginx:
    """Listens on a free port between entering and leaving its block."""

    def __init__(self, upstream_port: int, location: re.Pattern[str] = LOCATION_2026) -> None:
        self._server = _Server((LOOPBACK, 0), _Handler)
        self._server.upstream_port = upstream_port
        self._server.location = location
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def base_url(self) -> str:
        """Where SDKs find the service; they say :data:`HOST` in their Host header."""
        return f"http://{LOOPBACK}:{self._server.server_port}/storage"

    def __enter__(self) -> FlameNginx:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Upstream(HTTPConnection):
    """Speaks HTTP/1.0, as nginx does to its upstreams unless told otherwise."""

    _http_vsn = 10
    _http_vsn_str = "HTTP/1.0"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    upstream_port: int
    location: re.Pattern[str]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if not self.server.location.match(self.path):
            self._answer(404, {"Content-Type": "text/html"}, b"<h1>404 Not Found</h1><hr>nginx")
            return
        upstream = Upstream(LOOPBACK, self.server.upstream_port, timeout=60)
        try:
            upstream.request(self.command, self.path.removeprefix("/storage"), body, self._headers(body))
            answer = upstream.getresponse()
            content = answer.read()
        except (IncompleteRead, OSError):
            self.close_connection = True  # in the middle of an answer there is no other way to tell
            return
        finally:
            upstream.close()
        self._answer(answer.status, dict(answer.getheaders()), content)

    do_GET = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815  names that http.server asks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name is http.server's
        """Nothing: tests look at answers."""

    def _headers(self, body: bytes) -> dict[str, str]:
        passed = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED_ON}
        host = self.headers["Host"].partition(":")[0]
        return {
            **passed,
            "Host": host,
            "X-Real-IP": self.client_address[0],
            "X-Forwarded-For": self.client_address[0],
            "X-Forwarded-Proto": "http",
            "Connection": "close",
            **({"Content-Length": str(len(body))} if body or self.command in {"PUT", "POST"} else {}),
        }

    def _answer(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _NOT_PASSED_ON:
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
