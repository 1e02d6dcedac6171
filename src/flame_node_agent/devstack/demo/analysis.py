"""An analysis as it talks to the node: PUTs of files with a bearer token, as FLAME's Python SDK does them."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from flame_node_agent.devstack.demo.narrator import Advance
from flame_node_agent.devstack.demo.samples import Sample

_SECONDS = 120.0


class Unexpected(RuntimeError):
    """The node or the hub answered otherwise than it promises."""


@dataclass(frozen=True)
class Sent:
    """A file as it was sent: what its bytes hashed to on the way, and what the node answered."""

    sample: Sample
    sha256: str
    answer: httpx.Response

    @property
    def object_id(self) -> uuid.UUID:
        """The last segment of the answer's ``url``, as the SDK takes it."""
        return uuid.UUID(str(self.answer.json()["url"]).rsplit("/", 1)[-1])

    @property
    def upload_id(self) -> uuid.UUID:
        return uuid.UUID(self.answer.headers["X-Upload-Id"])


class Analysis:
    """One analysis container: its identity and its connection to the node."""

    def __init__(self, analysis_id: uuid.UUID, project_id: uuid.UUID, *, result_url: str, token: str) -> None:
        self.id = analysis_id
        self.project_id = project_id
        self._http = httpx.Client(
            base_url=result_url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=_SECONDS,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def put(self, path: str, sample: Sample, *, expect: int, advance: Advance, **fields: str) -> Sent:
        """PUT a file as multipart/form-data, produced and hashed while it is sent. Unexpected on another status."""
        digest = hashlib.sha256()

        def content() -> Iterator[bytes]:
            for chunk in sample.chunks():
                digest.update(chunk)
                yield chunk
                advance(len(chunk))

        headers, body = _form(sample, content(), fields)
        answer = self._http.put(path, content=body, headers=headers)
        _require(answer, expect)
        return Sent(sample, digest.hexdigest(), answer)

    def get(self, path: str, *, expect: int = 200) -> httpx.Response:
        """GET; Unexpected on another status."""
        answer = self._http.get(path)
        _require(answer, expect)
        return answer

    def upload(self, upload_id: uuid.UUID) -> Mapping[str, Any]:
        """How far a result has come on its way to the hub."""
        return dict(self.get(f"/uploads/{upload_id}").json())


def _form(
    sample: Sample, content: Iterator[bytes], fields: Mapping[str, str]
) -> tuple[dict[str, str], Iterator[bytes]]:
    """Headers and body of a form with one file; its length is known although its content is not there yet."""
    boundary = secrets.token_hex(16)
    head = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    head += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{sample.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    tail = f"\r\n--{boundary}--\r\n"

    def body() -> Iterator[bytes]:
        yield head.encode()
        yield from content
        yield tail.encode()

    length = len(head.encode()) + sample.size + len(tail.encode())
    return {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Length": str(length),
    }, body()


def _require(answer: httpx.Response, expected: int) -> None:
    if answer.status_code != expected:
        said = answer.read().decode(errors="replace")[:300]
        raise Unexpected(
            f"{answer.request.method} {answer.request.url.path} was answered with {answer.status_code} "
            f"instead of {expected}: {said}"
        )
