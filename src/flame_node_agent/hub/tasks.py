"""The task side of FLIP's Central Hub: what is there to do, what became of it, and "this node is alive".

Wire format: FLIP hub (flip-api), routes /tasks, /trust and /cohort, with the trust's raw key in one header.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from uuid import UUID

from flame_node_agent.config.task_side import TaskSettings
from flame_node_agent.hub.answers import NOT_FOUND, Answer
from flame_node_agent.hub.exchange import exchange
from flame_node_agent.hub.pacing import SlidingWindow
from flame_node_agent.hub.task_answers import read_heartbeat, read_pending, report_answer
from flame_node_agent.hub.task_routes import METHOD_NOT_ALLOWED, Era, TaskRoutes, is_missing
from flame_node_agent.hub.transport import Transport
from flame_node_agent.wire.tasks import HeartbeatAnswer, Pending, ReportAnswer, report_body

PIECE_BYTES = 64 * 1024  # httpcore copies what is left of a body after every piece it has sent


class TaskHub:
    """Speaks to the hub as this trust; shared by all loops of the process.

    Every method raises HubUnavailable when nobody answers.
    """

    def __init__(self, settings: TaskSettings, transport: Transport) -> None:
        self.api = settings.hub_api
        """Base address of the hub's API."""
        self._client = transport.client(self.api)
        self._headers = {settings.trust_api_key_header: settings.trust_api_key.get_secret_value()}
        self._routes = TaskRoutes(settings.hub_task_routes, settings.trust_name)
        self._polls = SlidingWindow(settings.tasks.polls_per_minute)
        self.report_window = SlidingWindow(settings.tasks.reports_per_minute)
        """How many reports may still be sent in this minute."""

    async def pending(self) -> Pending:
        """Ask for tasks; those in the answer are this node's from now on.

        Raises:
            HubUnavailable, HubUnexpected, HubCredentialsRefused: no tasks now.
            HubRefused: this node may not ask.
        """
        await self._polls.acquire()
        return read_pending(await self._routed("GET", self._routes.pending, _is_absent))

    async def report(self, task_id: UUID, success: bool, result: str | None) -> ReportAnswer:
        """Tell what became of a task.

        Raises:
            HubUnavailable, HubUnexpected, HubCredentialsRefused: not now.
        """
        await self.report_window.acquire()
        return report_answer(
            await self._routed(
                "POST",
                lambda era: self._routes.result(era, task_id),
                is_missing,
                report_body(success, result),
            )
        )

    async def cohort_results(self, body: Mapping[str, Any]) -> ReportAnswer:
        """Hand in the aggregates of a cohort query, or the reason why there are none; the hub keeps the last.

        Raises:
            HubUnavailable, HubUnexpected, HubCredentialsRefused: not now.
        """
        return report_answer(await self._send("POST", "cohort/results", _json(body)))

    async def heartbeat(self, snapshot: Mapping[str, Any] | None) -> HeartbeatAnswer:
        """Say that this node is alive, with its health where there is a snapshot of it; any answer is returned."""
        body = _json(snapshot) if snapshot is not None else None
        return read_heartbeat(await self._routed("POST", self._routes.heartbeat, _is_absent, body))

    async def _routed(
        self,
        method: str,
        path: Callable[[Era], str],
        is_absent: Callable[[Answer], bool],
        body: bytes | None = None,
    ) -> Answer:
        """Send to a route of the generation the hub speaks, and find out anew which that is when there is none."""
        answer = await self._send(method, path(self._routes.era), body)
        if not is_absent(answer) or (other := self._routes.alternative()) is None:
            return answer
        second = await self._send(method, path(other), body)
        if is_missing(second):
            return answer
        self._routes.settle(other)
        return second

    async def _send(self, method: str, path: str, body: bytes | None) -> Answer:
        # Redirects are not followed: httpx would hand the key to wherever they lead.
        headers = self._headers
        if body is not None:
            headers = headers | {"Content-Type": "application/json", "Content-Length": str(len(body))}
        content = None if body is None else _pieces(body)
        request = self._client.build_request(method, path, content=content, headers=headers)
        return await exchange(self._client, request, "tasks")


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), PIECE_BYTES):
        yield body[start : start + PIECE_BYTES]


def _json(body: Mapping[str, Any]) -> bytes:
    """In ASCII, because what was read from JSON may hold lone surrogates, which UTF-8 has no bytes for."""
    return json.dumps(dict(body)).encode("ascii")


def _is_absent(answer: Answer) -> bool:
    """For routes about no single thing: whatever the hub says beside it, there is no such route."""
    return answer.status in {NOT_FOUND, METHOD_NOT_ALLOWED}
