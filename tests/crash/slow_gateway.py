"""A gateway in front of the hub that takes a whole upload first and hands it on later, whoever has left by then."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx

_NOT_HANDED_ON = {"connection", "host", "transfer-encoding", "content-encoding", "content-length"}


@contextlib.contextmanager
def slow_gateway(hub: str, *, upload_seconds: float) -> Iterator[str]:
    """Serve in front of the origin ``hub``, keeping each upload for ``upload_seconds``; gives its own origin."""

    class Handler(BaseHTTPRequestHandler):
        def _hand_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path.endswith("/upload"):
                time.sleep(upload_seconds)
            headers = {
                name: value for name, value in self.headers.items() if name.lower() not in _NOT_HANDED_ON
            }
            answer = httpx.request(
                self.command, hub + self.path, content=body, headers=headers, trust_env=False, timeout=30
            )
            with contextlib.suppress(OSError):
                self.send_response(answer.status_code)
                self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

        do_GET = do_POST = do_DELETE = _hand_on  # noqa: N815 - names that http.server wants

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
