"""Relays in front of whatever a test listens with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.relay.relay_process import RelayProcess

type StartRelay = Callable[..., RelayProcess]


@pytest.fixture
def start_relay(tmp_path: Path) -> Iterator[StartRelay]:
    """Starts relays: ``start_relay(server_port, RELAY__MAX_CONNECTIONS="2")``."""
    started: list[RelayProcess] = []

    def start(server_port: int, **settings: str) -> RelayProcess:
        relay = RelayProcess(tmp_path / f"relay-{len(started)}", server_port, **settings)
        started.append(relay)
        relay.start()
        return relay

    yield start
    for relay in started:
        relay.stop()
