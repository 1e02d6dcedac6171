"""Clients that go away in the middle of their request."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx

from .agent_process import AgentProcess, Analysis

BLOCK = 256 * 1024


class Gone(Exception):
    """The client has left."""


def leave(
    agent: AgentProcess,
    route: str,
    analysis: Analysis,
    *,
    size: int,
    after: int,
    wait: Callable[[], object] = lambda: None,
) -> None:
    """PUT a file of ``size`` bytes and break the connection after ``after`` of them, when ``wait`` returns."""
    whole = httpx.Request(
        "PUT", agent.url + route, files={"file": ("model.pkl", b"", "application/octet-stream")}
    )
    head, tail = whole.read().split(b"\r\n\r\n", 1)
    head += b"\r\n\r\n"

    def body() -> Iterator[bytes]:
        yield head
        for _ in range(after // BLOCK):
            yield bytes(BLOCK)
        wait()
        raise Gone

    headers = {
        **analysis.headers,
        "Content-Type": whole.headers["Content-Type"],
        "Content-Length": str(len(head) + size + len(tail)),
    }
    with httpx.Client(base_url=agent.url, trust_env=False) as client:
        try:
            client.put(route, headers=headers, content=body())
        except Gone:
            return
    raise AssertionError("the agent has answered before it had the whole file")
