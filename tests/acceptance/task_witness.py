"""Somebody who stands between an agent and its hub, notes what passes, and may change it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from flame_node_agent.devstack.running_hub import RunningHub
from flame_node_agent.devstack.testing import LazyParts
from tests.acceptance.hub_agents import Trust, awaited, serving_trust
from tests.acceptance.task_listening import Listening, Reply, Request

_PASSED_ON = ("authorization", "content-type", "x-trust-api-key")
_HANDED_BACK = ("retry-after",)


class Passage(NamedTuple):
    """A request and what was answered; None when nobody did."""

    request: Request
    reply: Reply | None

    @property
    def status(self) -> int | None:
        return self.reply.status if self.reply is not None else None

    def sent(self) -> Any:
        """The JSON of the request."""
        return json.loads(self.request.body)


class Witness(Listening):
    """Passes everything on to a hub."""

    def __init__(self, hub: RunningHub) -> None:
        super().__init__()
        self.passages: list[Passage] = []
        self.before: Callable[[Request], Reply | None] = lambda request: None
        """An answer in place of the hub's, which then does not learn of the request."""
        self.after: Callable[[Request, Reply], Reply] = lambda request, reply: reply
        """What becomes of the hub's answer on its way."""
        self._origin = hub.urls.api.removesuffix("/api")
        self._client = httpx.Client(trust_env=False, timeout=30)

    def reply(self, request: Request) -> Reply | None:
        reply = self.before(request) or self._asked(request)
        self.passages.append(Passage(request, reply))
        return reply

    def seen(self, method: str, part: str) -> list[Passage]:
        """What has passed of one kind, oldest first."""
        return [each for each in list(self.passages) if _is_one(each.request, method, part)]

    def reports(self, task_id: str) -> list[Passage]:
        """The reports of one task."""
        return self.seen("POST", f"/tasks/{task_id}/result")

    def await_reports(self, task_id: str, number: int) -> list[Passage]:
        """Wait for so many reports of a task, and give all; the hub has noted the last one a moment before."""
        return awaited(lambda: found if len(found := self.reports(task_id)) >= number else None)

    def heartbeats(self) -> list[Passage]:
        return self.seen("POST", "heartbeat")

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._client.close()

    def _asked(self, request: Request) -> Reply | None:
        headers = {name: value for name, value in request.headers.items() if name in _PASSED_ON}
        try:
            answer = self._client.request(
                request.method, f"{self._origin}{request.path}", content=request.body, headers=headers
            )
        except httpx.HTTPError:
            return None
        kept = tuple((name, answer.headers[name]) for name in _HANDED_BACK if name in answer.headers)
        content_type = answer.headers.get("content-type", "application/json")
        return self.after(request, Reply(answer.status_code, answer.content, content_type, kept))


def _is_one(request: Request, method: str, part: str) -> bool:
    return request.method == method and part in request.path


@contextmanager
def watched_trust(
    parts: LazyParts, directory: Path, hub: RunningHub, data_access_url: str, **overrides: str
) -> Iterator[tuple[Trust, Witness]]:
    """A running agent that reaches its hub through a witness only."""
    with Witness(hub) as witness:
        overrides = {"CENTRAL_HUB_API_URL": f"{witness.url}/api", **overrides}
        with serving_trust(parts, directory, hub, data_access_url, **overrides) as trust:
            yield trust, witness


def changed(reply: Reply, change: Callable[[Any], None]) -> Reply:
    """The same answer with its JSON changed."""
    content = json.loads(reply.body)
    change(content)
    return reply._replace(body=json.dumps(content).encode())
