"""A hub under test: settings that lead to it, and clients that are closed afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import respx
import stamina

from flame_node_agent.config.settings import Settings, load_settings
from flame_node_agent.hub.hub import Hub
from flame_node_agent.hub.transport import Transport
from tests.unit.hub.authorities import Authority, make_authority
from tests.unit.settings_samples import COMPLETE

CORE, STORAGE, AUTH = "http://core.hub.example", "http://storage.hub.example", "http://auth.hub.example"
URLS = {"HUB__CORE_BASE_URL": CORE, "HUB__STORAGE_BASE_URL": STORAGE, "HUB__AUTH_BASE_URL": AUTH}
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxies_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def settings_for() -> Callable[..., Settings]:
    """Complete settings, with some variables changed."""

    def make(**variables: str) -> Settings:
        return load_settings(COMPLETE | URLS | variables, env_file=None)

    return make


@pytest.fixture
def open_transport(settings_for: Callable[..., Settings]):
    """``async with open_transport(VARIABLE="…") as transport``."""

    @asynccontextmanager
    async def make(**variables: str) -> AsyncIterator[Transport]:
        transport = Transport(settings_for(**variables))
        try:
            yield transport
        finally:
            await transport.aclose()

    return make


@pytest.fixture
def open_hub(settings_for: Callable[..., Settings]):
    """``async with open_hub(url) as hub``: all three services of the hub behind one address."""

    @asynccontextmanager
    async def make(url: str | None = None, **variables: str) -> AsyncIterator[Hub]:
        urls = dict.fromkeys(URLS, url) if url else URLS
        settings = settings_for(**{**urls, **variables})
        transport = Transport(settings)
        hub = Hub.open(settings, transport)
        try:
            yield hub
        finally:
            await hub.aclose()
            await transport.aclose()

    return make


@pytest.fixture
async def hub(open_hub) -> AsyncIterator[Hub]:
    """A hub at the addresses that :func:`mocked` answers for."""
    async with open_hub() as opened:
        yield opened


@pytest.fixture
def mocked() -> Iterator[respx.MockRouter]:
    """Nothing reaches the network; the token endpoint gives ``token-1``, ``token-2`` and so on."""
    with respx.mock(assert_all_called=False) as router:
        tokens = iter(range(1, 1000))
        router.post(f"{AUTH}/token", name="token").mock(
            side_effect=lambda _: respx.MockResponse(
                200, json={"access_token": f"token-{next(tokens)}", "expires_in": 900, "token_type": "Bearer"}
            )
        )
        yield router


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let retries follow each other at once; the list takes how long they would have waited."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(stamina._core, "_smart_sleep", sleep)
    return waits


@pytest.fixture
def bundle(authority: Authority) -> Path:
    """The PEM file of the test's own authority."""
    return authority.bundle
