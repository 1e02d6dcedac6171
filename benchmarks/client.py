"""A load client that costs little itself: plain sockets, bodies sent from one block of memory."""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass, field

BLOCK = 1024 * 1024
BOUNDARY = "benchmark-boundary"


@dataclass(frozen=True)
class Target:
    """Where to send to, and as whom."""

    host: str
    port: int
    token: str


def connection(target: Target) -> http.client.HTTPConnection:
    """A connection that stays open between requests."""
    return http.client.HTTPConnection(target.host, target.port, timeout=600)


def put_file(
    target: Target,
    path: str,
    block: bytes,
    size: int,
    *,
    fields: dict[str, str] | None = None,
    filename: str = "benchmark.bin",
    conn: http.client.HTTPConnection | None = None,
) -> tuple[int, bytes]:
    """PUT ``size`` bytes (``block`` repeated) as a multipart form; status and body of the answer."""
    conn = conn or connection(target)
    head = b"".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in (fields or {}).items()
    )
    head += (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    headers = {
        "Authorization": f"Bearer {target.token}",
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(len(head) + size + len(tail)),
    }
    if size <= BLOCK:
        conn.request("PUT", path, head + block[:size] + tail, headers)
    else:
        conn.putrequest("PUT", path)
        for name, value in headers.items():
            conn.putheader(name, value)
        conn.endheaders(head)
        view, left = memoryview(block), size
        while left:
            step = min(left, len(block))
            conn.send(view[:step])
            left -= step
        conn.send(tail)
    response = conn.getresponse()
    return response.status, response.read()


def get(target: Target, path: str) -> int:
    """GET and count the bytes."""
    conn = connection(target)
    conn.request("GET", path, headers={"Authorization": f"Bearer {target.token}"})
    response = conn.getresponse()
    if response.status != http.client.OK:
        raise RuntimeError(f"GET {path}: {response.status} {response.read(200)!r}")
    size = 0
    while piece := response.read(BLOCK):
        size += len(piece)
    return size


@dataclass
class Latencies:
    """Seconds of each request."""

    seconds: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """The ``share``-quantile (nearest rank), in seconds."""
        ranked = sorted(self.seconds)
        return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def hammer(
    target: Target, path: str, body: bytes, *, clients: int, seconds: float
) -> tuple[float, Latencies]:
    """Small PUTs from ``clients`` connections at once for ``seconds``: requests per second, and their latencies."""
    latencies = Latencies()
    failures: list[str] = []
    end = time.perf_counter() + seconds

    def work(number: int) -> None:
        conn = connection(target)
        turn = 0
        while time.perf_counter() < end:
            turn += 1
            began = time.perf_counter()
            status, answer = put_file(
                target, path, body, len(body), filename=f"small-{number}-{turn}.bin", conn=conn
            )
            latencies.seconds.append(time.perf_counter() - began)
            if status not in {200, 204}:
                failures.append(f"{status} {answer[:200]!r}")
                return

    began = time.perf_counter()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - began
    if failures:
        raise RuntimeError(f"{len(failures)} requests failed, the first: {failures[0]}")
    return len(latencies.seconds) / elapsed, latencies


def watch_health(target: Target, stop: threading.Event) -> Latencies:
    """Ask /healthz every 10 ms on its own connection until ``stop``."""
    latencies = Latencies()
    conn = connection(target)
    while not stop.is_set():
        began = time.perf_counter()
        conn.request("GET", "/healthz")
        conn.getresponse().read()
        latencies.seconds.append(time.perf_counter() - began)
        stop.wait(0.01)
    return latencies
