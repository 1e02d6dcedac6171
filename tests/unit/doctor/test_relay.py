"""What the doctor says when a relay stands before the OMOP database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from flame_node_agent.doctor.findings import State
from flame_node_agent.doctor.ground import Ground, Service
from flame_node_agent.doctor.relay import look_by_relay

HERE = "127.0.0.1"


@asynccontextmanager
async def relay_that_says(status: str, body: Any) -> AsyncIterator[int]:
    """Answers every request so; its port."""
    text = body if isinstance(body, str) else json.dumps(body)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
        writer.write((head + text).encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, HERE, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def ground(**environment: str) -> Ground:
    return Ground(Service.DATA_ACCESS, environment=environment)


RELAYED = ground(OMOP_SERVER="omop.hospital.example:5432")


async def test_why_the_relay_cannot_reach_the_server_is_told() -> None:
    missing = {"status": "not ready", "missing": {"omop-server": "Connection refused"}}
    async with relay_that_says("503 Service Unavailable", missing) as port:
        found = await look_by_relay(RELAYED, HERE, port)
    assert found is not None
    assert found.state is State.FAILED
    assert found.seen == "omop-relay cannot reach omop.hospital.example:5432: Connection refused"
    assert "OMOP_SERVER" in found.do


async def test_nothing_is_told_when_the_relay_reaches_the_server() -> None:
    async with relay_that_says("200 OK", {"status": "ready", "missing": {}}) as port:
        assert await look_by_relay(RELAYED, HERE, port) is None


async def test_a_relay_that_does_not_answer_is_told_as_such() -> None:
    async with relay_that_says("503 Service Unavailable", "<html>") as port:
        strange = await look_by_relay(RELAYED, HERE, port)
    gone = await look_by_relay(RELAYED, HERE, port)
    for found in (strange, gone):
        assert found is not None
        assert "does not answer" in found.seen
        assert "SERVICE=omop-relay" in found.do


async def test_nobody_is_asked_where_there_is_no_relay() -> None:
    assert await look_by_relay(ground(), "nobody.invalid") is None
