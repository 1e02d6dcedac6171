"""The requests of flamesdk, generation by generation, and what it makes of the answers.

Written after PrivateAIM/python-sdk, `flamesdk/resources/client_apis/clients/storage_client.py` (formerly
`result_client.py`): base URL with `/storage`, `Connection: close` on every PUT, redirects followed, no content types,
results found again by the last part of the url they were answered with.
"""

from __future__ import annotations

import pickle
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import httpx

from tests.acceptance.discretion import TELLTALE
from tests.acceptance.flame_nginx import HOST

type FileName = Callable[[], str | None]

DEFAULT_TIMEOUT = httpx.Timeout(5.0)
"""httpx' own: five seconds for each phase, the wait for an answer included."""

_LONG_TIMEOUT = httpx.Timeout(5.0, read=None, write=None)


@dataclass(frozen=True)
class Generation:
    """How one generation of the SDK talks; ``sender`` is how a reader names the node that has sealed a result."""

    version: str
    slash: bool
    file_name: FileName
    timeout: httpx.Timeout
    sender: str | None
    """Query parameter; None for the oldest, which cannot open sealed results."""
    local_dp: bool = True

    def __str__(self) -> str:
        return self.version

    def path(self, kind: str) -> str:
        return f"/{kind}/" if self.slash else f"/{kind}"


def _unnamed() -> None:
    return None


def _random_name() -> str:
    return f"{uuid.uuid4()}-{TELLTALE}"


def _dated_name() -> str:
    return f"result_{secrets.token_hex(2)}_{datetime.now(UTC):%y%m%d%H%M%S}_{TELLTALE}"


def _dated_pickle() -> str:
    return f"{_dated_name()}.pkl"


GENERATIONS = (
    Generation("0.2.0", True, _unnamed, DEFAULT_TIMEOUT, None, local_dp=False),
    Generation("0.2.4", True, _random_name, DEFAULT_TIMEOUT, "node_id"),
    Generation("0.3.1", True, _random_name, DEFAULT_TIMEOUT, "node_id"),
    Generation("0.4.0", True, _dated_name, _LONG_TIMEOUT, "node_id"),
    Generation("0.4.3", False, _dated_name, _LONG_TIMEOUT, "node_id"),
    Generation("0.5.0", False, _dated_name, _LONG_TIMEOUT, "remote_node_id"),
    Generation("0.6.0", False, _dated_pickle, _LONG_TIMEOUT, "remote_node_id"),
)


class Sdk:
    """One analysis' SDK of a generation, behind its nginx."""

    def __init__(self, generation: Generation, base_url: str, token: str) -> None:
        self._generation = generation
        self._client = httpx.Client(
            base_url=base_url,
            # The connection goes to a test's port; what the SDK calls the host is its nginx.
            headers={"Authorization": f"Bearer {token}", "Host": HOST},
            follow_redirects=True,
            trust_env=False,
        )

    def __enter__(self) -> Sdk:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def submit_final(self, content: bytes) -> httpx.Response:
        """Raises httpx.HTTPStatusError as the SDK does for anything that is no success; the body is ignored."""
        return self._put(self._generation.path("final"), content, {})

    def submit_final_with_local_dp(
        self, value: float, *, epsilon: float, sensitivity: float
    ) -> httpx.Response:
        data = {"epsilon": str(epsilon), "sensitivity": str(sensitivity)}
        return self._put("/final/localdp", str(value).encode(), data)

    def save_local(self, result: Any, tag: str | None = None) -> str:
        """Gives the result's id: the last part of the url."""
        answer = self._put(self._generation.path("local"), pickle.dumps(result), {"tag": tag} if tag else {})
        return _last_part(answer)

    def save_global(self, result: Any, receiver: uuid.UUID | None) -> str:
        data = {"remote_node_id": str(receiver)} if receiver else {}
        return _last_part(self._put(self._generation.path("intermediate"), pickle.dumps(result), data))

    def load_local(self, result_id: str) -> Any:
        return self._load(f"/local/{result_id}")

    def load_global(self, result_id: str, sender: uuid.UUID | None) -> Any:
        if sender is None:
            return self._load(f"/intermediate/{result_id}")
        return self._load(f"/intermediate/{result_id}?{self._generation.sender}={sender}")

    def tags(self) -> list[str]:
        listed = self._client.get("/local/tags", timeout=DEFAULT_TIMEOUT).raise_for_status().json()
        return [entry["name"] for entry in listed["tags"]]

    def load_tagged(self, tag: str) -> list[Any]:
        """All results under a tag; `first` and `last` of the SDK are the ends of this list."""
        listed = self._client.get(f"/local/tags/{tag}", timeout=DEFAULT_TIMEOUT).raise_for_status().json()
        return [self._load("/local/" + entry["url"].split("/local/")[1]) for entry in listed["results"]]

    def _put(self, path: str, content: bytes, data: dict[str, str]) -> httpx.Response:
        name, body = self._generation.file_name(), BytesIO(content)
        return self._client.put(
            path,
            files={"file": body if name is None else (name, body)},
            data=data,
            headers={"Connection": "close"},
            timeout=self._generation.timeout,
        ).raise_for_status()

    def _load(self, path: str) -> Any:
        answer = self._client.get(path, timeout=self._generation.timeout).raise_for_status()
        return pickle.loads(answer.content)


def _last_part(answer: httpx.Response) -> str:
    return str(answer.json()["url"]).split("/")[-1]
