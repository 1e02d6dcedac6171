"""What is measured, each thing side by side with its yardstick."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from urllib.parse import urlsplit

import psycopg

from benchmarks import baseline
from benchmarks.client import Latencies, get, hammer, put_file, watch_health
from benchmarks.stack import Stack

KIB, MIB, GIB = 1024, 1024**2, 1024**3


@dataclass(frozen=True)
class Transfer:
    """Moving ``size`` bytes one way: seconds, and the agent's peak memory in bytes while it happened."""

    what: str
    size: int
    seconds: float
    peak_memory: int

    @property
    def rate(self) -> float:
        """MiB per second."""
        return self.size / MIB / self.seconds


@dataclass(frozen=True)
class SmallResults:
    """Many small results at once."""

    path: str
    clients: int
    per_second: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Health:
    """/healthz while a large upload runs; seconds."""

    answers: int
    p50: float
    p99: float
    slowest: float


def transfers(
    stack: Stack, block: bytes, size: int, repeats: int, say: Callable[[str], None]
) -> list[Transfer]:
    """Each way of moving ``size`` bytes, direct and through the agent, in turn; the median of ``repeats``."""
    target, s3 = stack.target, stack.ready["s3"]
    stored: list[str] = []

    def put(path: str, fields: dict[str, str] | None = None) -> float:
        name = f"bench-{time.time_ns()}.bin"
        began = time.perf_counter()
        status, answer = put_file(target, path, block, size, fields=fields, filename=name)
        elapsed = time.perf_counter() - began
        if status not in {200, 204}:
            raise RuntimeError(f"PUT {path}: {status} {answer[:300]!r}")
        if path == "/local":
            stored.append(urlsplit(json.loads(answer)["url"]).path)
        return elapsed

    def fetch() -> float:
        began = time.perf_counter()
        if (seen := get(target, stored[-1])) != size:
            raise RuntimeError(f"{seen} of {size} bytes came back")
        return time.perf_counter() - began

    ways: dict[str, Callable[[], float]] = {
        "S3 put, direct": lambda: baseline.put_seconds(s3, block, size),
        "PUT /local": lambda: put("/local"),
        "PUT /final (until acknowledged)": lambda: put("/final"),
        "S3 get, direct": lambda: baseline.get_seconds(s3, block, size),
        "GET /local": fetch,
        "PUT /intermediate": lambda: put("/intermediate"),
        "PUT /intermediate, sealed": lambda: put("/intermediate", {"remote_node_id": stack.recipient}),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    peaks: dict[str, int] = dict.fromkeys(ways, 0)
    for turn in range(repeats):
        for way, move in ways.items():
            say(f"{way}, {turn + 1} of {repeats}")
            _let_the_outbox_settle(stack)
            stack.forget_peak()
            seconds[way].append(move())
            peaks[way] = max(peaks[way], stack.peak_memory())
    return [Transfer(way, size, median(seconds[way]), peaks[way]) for way in ways]


def small_results(stack: Stack, path: str, *, clients: int, seconds: float) -> SmallResults:
    """PUT 1 KiB again and again from several clients."""
    per_second, latencies = hammer(stack.target, path, bytes(KIB), clients=clients, seconds=seconds)
    return SmallResults(path, clients, per_second, latencies.percentile(0.5), latencies.percentile(0.99))


def health_during_upload(stack: Stack, block: bytes, size: int) -> Health:
    """Ask /healthz all the time while ``size`` bytes are PUT to /local."""
    _let_the_outbox_settle(stack)
    stop = threading.Event()
    seen: list[Latencies] = []
    watcher = threading.Thread(target=lambda: seen.append(watch_health(stack.target, stop)))
    watcher.start()
    try:
        put_file(stack.target, "/local", block, size)
    finally:
        stop.set()
        watcher.join()
    latencies = seen[0]
    return Health(
        len(latencies.seconds), latencies.percentile(0.5), latencies.percentile(0.99), max(latencies.seconds)
    )


def _let_the_outbox_settle(stack: Stack) -> None:
    """Wait until nothing is on its way in the background, so that each measurement has the machine for itself."""
    with psycopg.connect(stack.ready["postgres"]["dsn"], autocommit=True) as connection:
        while True:
            row = connection.execute(
                "SELECT count(*) FROM outbox WHERE state NOT IN ('delivered', 'failed', 'retracted')"
            ).fetchone()
            if row == (0,):
                return
            time.sleep(0.2)
