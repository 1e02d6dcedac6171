"""Analyses that send results without pause, whatever the agent answers, and remember what it has acknowledged."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from threading import Event, Lock, Thread

import httpx

from .agent_process import AgentProcess, Analysis
from .ground import sha256

SMALL = (1, 4096)
LARGE = (1024 * 1024, 12 * 1024 * 1024)
"""Bytes; the larger ones are multipart uploads in the object store."""
SHARE_OF_LARGE = 0.15
SHARE_OF_SHARED_NAMES = 0.1


@dataclass(frozen=True)
class Acknowledged:
    """A result the agent has answered with 2xx: which analysis, its id in the answer, and its SHA-256."""

    analysis: Analysis
    id: str
    sha256: str


@dataclass
class Load:
    """Clients of several routes at once, each in a thread."""

    seed: int
    acknowledged: dict[str, list[Acknowledged]] = field(default_factory=dict)
    answers: Counter[int | str] = field(default_factory=Counter)
    _enough: Event = field(default_factory=Event)
    _lock: Lock = field(default_factory=Lock)
    _threads: list[Thread] = field(default_factory=list)

    def add(self, agent: AgentProcess, route: str, analysis: Analysis) -> None:
        """One more client; it begins at once."""
        self.acknowledged.setdefault(route, [])
        arguments = (agent.url, route, analysis, Random(f"{self.seed} {len(self._threads)}"))
        self._threads.append(Thread(target=self._send_until_enough, args=arguments, daemon=True))
        self._threads[-1].start()

    def stop(self) -> None:
        """Let every client finish its request."""
        self._enough.set()
        for thread in self._threads:
            thread.join()

    def _send_until_enough(self, url: str, route: str, analysis: Analysis, random: Random) -> None:
        number = 0
        with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
            while not self._enough.is_set():
                number += 1
                content = random.randbytes(random.randint(*_size(random)))
                # What is sent to two routes has two names: newer hubs know one file of a name in an analysis.
                own = f"{route[1:]}-{number}.bin"
                name = f"{route[1:]}.bin" if random.random() < SHARE_OF_SHARED_NAMES else own
                try:
                    answer = client.put(route, headers=analysis.headers, files={"file": (name, content)})
                except httpx.TransportError as error:
                    self._note(type(error).__name__)
                    self._enough.wait(random.uniform(0, 0.3))
                    continue
                self._note(answer.status_code)
                if answer.is_success:
                    known = Acknowledged(analysis, _id(answer), sha256(content))
                    self.acknowledged[route].append(known)
                else:
                    self._enough.wait(random.uniform(0, 0.3))

    def _note(self, outcome: int | str) -> None:
        with self._lock:
            self.answers[outcome] += 1


def _size(random: Random) -> tuple[int, int]:
    return LARGE if random.random() < SHARE_OF_LARGE else SMALL


def _id(answer: httpx.Response) -> str:
    if answer.status_code == httpx.codes.NO_CONTENT:
        return answer.headers["X-Upload-Id"]
    return str(answer.json()["object_id"])
