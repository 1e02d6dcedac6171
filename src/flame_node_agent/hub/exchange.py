"""One request and its answer, counted, timed and put into the agent's own words."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any

import httpx

from flame_node_agent.errors import (
    HubCredentialsRefused,
    HubError,
    HubRefused,
    HubUnavailable,
    HubUnexpected,
)
from flame_node_agent.hub.answers import Answer, one_line, retry_after
from flame_node_agent.hub.decoding import Garbled, blocks
from flame_node_agent.telemetry.metrics import HUB_CALL_SECONDS, HUB_CALLS

MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""More than any JSON of the hub; what is longer is somebody else's."""


@contextmanager
def translated(destination: str) -> Iterator[None]:
    """Turn what httpx raises into the agent's own words."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise HubUnavailable(f"{destination}: no answer in time ({type(error).__name__})") from error
    except httpx.RequestError as error:
        raise HubUnavailable(f"{destination}: {type(error).__name__} {one_line(str(error))}") from error
    except Garbled as error:
        raise HubUnexpected(None, str(error)) from error


@contextmanager
def counted(destination: str) -> Iterator[list[str]]:
    """Count and time one request; what is put into the list first is its outcome."""
    started, outcome = time.monotonic(), list[str]()
    try:
        yield outcome
    except HubError as error:
        outcome.append(outcome_of(error))
        raise
    finally:
        # A caller that was cancelled, or whose own data failed.
        outcome.append("abandoned")
        HUB_CALLS.labels(destination, outcome[0]).inc()
        HUB_CALL_SECONDS.labels(destination).observe(time.monotonic() - started)


def outcome_of(error: HubError | None) -> str:
    """Name an outcome for the metric ``flame_node_hub_calls``."""
    match error:
        case None:
            return "ok"
        case HubUnavailable():
            return "unavailable"
        case HubCredentialsRefused():
            return "unauthorized"
        case HubRefused(status=404):
            return "not_found"
        case HubRefused():
            return "refused"
        case _:
            return "unexpected"


@asynccontextmanager
async def opened(
    client: httpx.AsyncClient, request: httpx.Request, destination: str
) -> AsyncIterator[httpx.Response]:
    """Send a request and hold the answer open; its connection is closed unless the body is read to its end.

    Raises:
        HubUnavailable: nobody answered, or too late.
    """
    with translated(destination):
        response = await client.send(request, stream=True)
    try:
        yield response
    finally:
        await response.aclose()


async def exchange(client: httpx.AsyncClient, request: httpx.Request, destination: str) -> Answer:
    """Send a request and read the whole answer, counted under ``destination``.

    Raises:
        HubUnavailable: nobody answered, or too late.
    """
    with counted(destination) as outcome:
        async with opened(client, request, destination) as response:
            answer = await read_answer(response, destination)
        outcome.append(outcome_of(answer.failure()))
    return answer


async def read_answer(response: httpx.Response, destination: str) -> Answer:
    """Read an answer and try to understand it.

    Raises:
        HubUnavailable: the connection broke within the body of a success.
    """
    body, decodable = None, False
    try:
        with translated(destination):
            body, decodable = _decode(await _read(response), response.is_success)
    except HubUnexpected:
        pass  # not decodable: said by what it raises
    except HubUnavailable:
        if not response.is_error:
            raise
        # An error whose explanation was lost on the way, as when a server closes on a request it did not want.
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
    return Answer(
        status=response.status_code,
        body=body,
        decodable=decodable,
        retry_after=retry_after(response.headers),
        what=one_line(f"{kind or 'a body'} that is not the hub's"),
    )


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async with aclosing(blocks(response)) as parts:
        async for part in parts:
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                raise Garbled("longer than any answer of the hub")
    return bytes(body)


def _decode(raw: bytes, success: bool) -> tuple[Any, bool]:
    """Decode JSON; only a success may say nothing at all."""
    if not raw.strip():
        return None, success
    try:
        return json.loads(raw), True
    except (ValueError, RecursionError):
        return None, False
