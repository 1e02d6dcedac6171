"""Clients that stop in the middle of their request: some go on after a while, some go away."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx

from .agent_process import AgentProcess, Analysis

BLOCK = 256 * 1024


class Gone(Exception):
    """The client has left."""


def put_in_two_goes(
    agent: AgentProcess,
    route: str,
    analysis: Analysis,
    *,
    size: int,
    before: int,
    between: Callable[[], object],
) -> httpx.Response:
    """PUT a file of ``size`` zeros; after ``before`` of them ``between`` is called."""
    whole = httpx.Request(
        "PUT", agent.url + route, files={"file": ("model.pkl", b"", "application/octet-stream")}
    )
    head, tail = whole.read().split(b"\r\n\r\n", 1)
    head += b"\r\n\r\n"

    def body() -> Iterator[bytes]:
        yield head
        for sent in range(0, size, BLOCK):
            if sent == before:
                between()
            yield bytes(BLOCK)
        yield tail

    headers = {
        **analysis.headers,
        "Content-Type": whole.headers["Content-Type"],
        "Content-Length": str(len(head) + size + len(tail)),
    }
    with httpx.Client(base_url=agent.url, trust_env=False, timeout=30) as client:
        return client.put(route, headers=headers, content=body())


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

    def go() -> None:
        wait()
        raise Gone

    try:
        put_in_two_goes(agent, route, analysis, size=size, before=after, between=go)
    except Gone:
        return
    raise AssertionError("the agent has answered before it had the whole file")
