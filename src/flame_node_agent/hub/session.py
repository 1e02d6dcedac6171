"""Authenticated requests to one service of the hub, each tried once more under a fresh token."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import httpx

from flame_node_agent.errors import HubError, HubUnavailable, HubUnexpected
from flame_node_agent.hub.answers import UNAUTHORIZED, Answer
from flame_node_agent.hub.auth import TokenSource
from flame_node_agent.hub.decoding import blocks
from flame_node_agent.hub.exchange import counted, exchange, opened, outcome_of, read_answer, translated
from flame_node_agent.hub.multipart import FilePart, Sending, SourceFailed


def route(collection: str, record: UUID, action: str = "") -> str:
    """Name the path of one record. Ids are UUID objects, so that nothing hostile can stand in a path.

    Raises:
        TypeError: ``record`` is anything else.
    """
    if not isinstance(record, UUID):
        raise TypeError(f"the id in a path of the hub must be a UUID, not {type(record).__name__}")
    return f"{collection}/{record}" + (f"/{action}" if action else "")


class HubSession:
    """Speaks to core or to storage as this node.

    All methods raise HubUnavailable, HubUnexpected, HubCredentialsRefused or HubRefused as :mod:`.answers` says.
    """

    def __init__(self, client: httpx.AsyncClient, tokens: TokenSource, destination: str) -> None:
        self._client = client
        self._tokens = tokens
        self._destination = destination

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        until: float = math.inf,
    ) -> Any:
        """Send a request and return the JSON of its answer, None where there is none.

        After ``until``, a moment of the monotonic clock, its body is withheld: HubUnavailable. What was held up on its
        way, by a slow connection or because this process slept, is not carried out late.
        """

        async def attempt(token: str) -> Answer:
            request = self._client.build_request(
                method, path, params=params, json=json, headers=_bearer(token)
            )
            if until < math.inf:
                request = self._client.build_request(
                    method, request.url, content=_withheld(request.content, until), headers=request.headers
                )
            return await exchange(self._client, request, self._destination)

        token = await self._tokens.token()
        answer = await attempt(token)
        if answer.status == UNAUTHORIZED:
            answer = await attempt(await self._fresh(token))
        return answer.content()

    async def post_file(self, path: str, part: FilePart) -> Any:
        """Send a file as multipart/form-data and return the JSON of the answer.

        An answer that comes before the whole file has gone out ends the sending. What the file's source raises is
        raised as it is.
        """
        token = await self._tokens.token()
        answer = await self._send_file(path, part, token)
        if answer.status == UNAUTHORIZED:
            answer = await self._send_file(path, part, await self._fresh(token))
        return answer.content()

    async def _send_file(self, path: str, part: FilePart, token: str) -> Answer:
        async with aclosing(Sending(part)) as sending:
            request = self._client.build_request(
                "POST", path, content=sending, headers={**part.headers, **_bearer(token)}
            )
            with suppress(SourceFailed):
                answer = await exchange(self._client, request, self._destination)
        if sending.failure is not None:
            raise sending.failure
        if answer.failure() is None and not sending.complete:
            raise HubUnexpected(answer.status, "a success before the hub had the whole file")
        return answer

    @asynccontextmanager
    async def stream(self, path: str, *, size: int | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a body of any size, to be read in blocks of bounded size; its status is checked before.

        A connection that breaks later raises HubUnavailable from the iterator, damaged data HubUnexpected; so does a
        body that ends well but is not of ``size`` bytes, where that is known.
        """
        token = await self._tokens.token()
        for last in (False, True):
            # Sealed files do not compress, so the hub is asked not to try.
            headers = {**_bearer(token), "Accept-Encoding": "identity"}
            request = self._client.build_request("GET", path, headers=headers)
            with counted(self._destination) as outcome:
                async with opened(self._client, request, self._destination) as response:
                    if _is_file(response):
                        async with aclosing(self._blocks(response, outcome, size)) as chunks:
                            yield chunks
                        return
                    answer = await read_answer(response, self._destination)
                outcome.append(outcome_of(answer.failure()))
            if answer.status == UNAUTHORIZED and not last:
                token = await self._fresh(token)
                continue
            raise answer.failure() or HubUnexpected(answer.status, "no file, but a success")

    async def _blocks(
        self, response: httpx.Response, outcome: list[str], size: int | None
    ) -> AsyncGenerator[bytes]:
        seen = 0
        try:
            with translated(self._destination):
                async with aclosing(blocks(response)) as parts:
                    async for part in parts:
                        seen += len(part)
                        yield part
            if size not in {None, seen}:
                raise HubUnexpected(response.status_code, f"{seen} of {size} bytes")
        except HubError as error:
            outcome.append(outcome_of(error))
            raise
        outcome.append(outcome_of(None))

    async def _fresh(self, refused: str) -> str:
        self._tokens.invalidate(refused)
        return await self._tokens.token()


async def _withheld(body: bytes, until: float) -> AsyncIterator[bytes]:
    """Give ``body`` at the moment in which it is sent, unless that is after ``until``."""
    if time.monotonic() > until:
        raise HubUnavailable("the request was held up for too long to be sent")
    yield body


def _is_file(response: httpx.Response) -> bool:
    """Whether this is what was asked for; HTML with status 200 is a proxy's page (the hub sends octet-streams)."""
    kind = response.headers.get("Content-Type", "").lower()
    return response.status_code == httpx.codes.OK and not kind.startswith("text/html")


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
