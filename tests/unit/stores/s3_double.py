"""A loopback server that answers an S3 client as a test wants, and remembers what it was asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

from flame_node_agent.config.settings import load_settings
from flame_node_agent.stores.objects import ObjectStore
from tests.unit.settings_samples import COMPLETE

INTERNAL_ERROR = (
    "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
)
NO_SUCH_UPLOAD = "<Error><Code>NoSuchUpload</Code><Message>The upload does not exist.</Message></Error>"


@dataclass(frozen=True)
class Answer:
    """One answer of the server."""

    body: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


DONE = {
    "begin": Answer("<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"),
    "part": Answer(headers={"ETag": '"p"'}),
    "put": Answer(headers={"ETag": '"o"'}),
    "complete": Answer('<CompleteMultipartUploadResult><ETag>"o-2"</ETag></CompleteMultipartUploadResult>'),
    "abort": Answer(status=204),
    "delete": Answer(status=204),
}


class S3Double:
    """``answers[operation]`` come first, the last of them again and again; without any, the operation succeeds."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = defaultdict(list)
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        """Handle any request."""
        operation = operation_of(request)
        self.asked.append(operation)
        await request.read()
        scripted = self.answers[operation]
        answer = (scripted.pop(0) if len(scripted) > 1 else scripted[0]) if scripted else DONE[operation]
        return web.Response(
            status=answer.status,
            text=answer.body or None,
            content_type="application/xml" if answer.body else None,
            headers=answer.headers,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Listen on a loopback port; gives its host and port."""
        application = web.Application(client_max_size=1 << 30)
        application.router.add_route("*", "/{path:.*}", self.answer)
        async with TestServer(application) as server:
            yield f"{server.host}:{server.port}"


def operation_of(request: web.Request) -> str:
    """What S3 calls the request, in one word."""
    query = request.query
    if "uploads" in query:
        return "begin" if request.method == "POST" else "list uploads"
    if "partNumber" in query:
        return "part"
    if "uploadId" in query:
        return "complete" if request.method == "POST" else "abort"
    if "list-type" in query:
        return "list"
    return request.method.lower()


@asynccontextmanager
async def store_at(endpoint: str) -> AsyncIterator[ObjectStore]:
    """The object store of an agent whose settings name this server."""
    variables = COMPLETE | {"MINIO__ENDPOINT": endpoint}
    store = ObjectStore.open(load_settings(env=variables, env_file=None))
    try:
        yield store
    finally:
        await store.close()
