"""A trust whose services are played by respx, and a hub that seals tasks for it."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import respx

from flame_node_agent.config.agent_settings import load_agent
from flame_node_agent.config.task_side import TaskSettings
from flame_node_agent.crypto.envelope import Keyring, task_context
from flame_node_agent.hub.trust_services import TrustServices
from flame_node_agent.tasks.handling import Handler
from flame_node_agent.tasks.perform import Tasks
from flame_node_agent.tasks.registry import handlers
from flame_node_agent.wire.tasks import Outcome

KEY_TEXT = base64.b64encode(bytes(range(32))).decode("ascii")
DATA_ACCESS, IMAGING = "http://data-access-api.example", "http://imaging-api.example/base"
INTERNAL_KEY = "internal-secret-4711"
ENVIRONMENT = {
    "CENTRAL_HUB_API_URL": "http://hub.example",
    "TRUST_API_KEY": "hub-secret-4711",
    "AES_KEY_BASE64": KEY_TEXT,
    "TRUST_INTERNAL_SERVICE_KEY": INTERNAL_KEY,
    "DATA_ACCESS_API_URL": DATA_ACCESS,
    "IMAGING_API_URL": IMAGING,
    "POSTGRES__HOST": "localhost",
    "POSTGRES__USER": "flame",
    "POSTGRES__PASSWORD": "database-secret-4711",
    "POSTGRES__DB": "flame",
    "TASKS__SERVICE_PATIENCE_SECONDS": "0",
}


def settings(**variables: str) -> TaskSettings:
    """The task side's settings, with some variables changed."""
    loaded = load_agent(ENVIRONMENT | variables, env_file=None).tasks
    assert loaded is not None
    return loaded


def sealed(task_type: str, payload: Any) -> str:
    """What the hub hands out."""
    return Keyring(KEY_TEXT).encrypt(json.dumps(payload), task_context(task_type))


def said(outcome: Outcome) -> Any:
    """The JSON in a result."""
    assert outcome.result is not None
    return json.loads(outcome.result)


def sent(route: respx.Route, call: int = -1) -> Any:
    """The JSON that a service was asked with."""
    return json.loads(route.calls[call].request.content)


@pytest.fixture(autouse=True)
def _no_proxies_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def mocked() -> Iterator[respx.MockRouter]:
    """Nothing reaches the network; a route that no test has set up is an error."""
    with respx.mock(assert_all_called=False) as router:
        yield router


@pytest.fixture
async def services() -> AsyncIterator[TrustServices]:
    opened = TrustServices.open(settings())
    yield opened
    await opened.aclose()


@pytest.fixture
def tasks(services: TrustServices) -> Tasks:
    return Tasks(Keyring(KEY_TEXT), handlers(services))


@pytest.fixture
def registry(services) -> dict[str, Handler]:
    return dict(handlers(services))
