"""One development hub per release for the tests that need no restart, and fresh ones for those that do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.devhub.running import SEED, RunningHub

PROFILES = ("0.8.21", "0.8.30", "0.13")


def _prepared(state_dir: Path, profile: str, *extra: str) -> RunningHub:
    state_dir.mkdir()
    (state_dir / "hub-seed.json").write_text(json.dumps(SEED))
    return RunningHub(state_dir, profile, extra)


@pytest.fixture(scope="session")
def hub_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RunningHub]]:
    """The session's hub of a release."""
    running: dict[str, RunningHub] = {}

    def get(profile: str) -> RunningHub:
        if profile not in running:
            running[profile] = _prepared(tmp_path_factory.mktemp("devhub") / profile, profile).start()
        return running[profile]

    yield get
    for hub in running.values():
        hub.stop()


@pytest.fixture(params=PROFILES)
def hub(request: pytest.FixtureRequest, hub_of: Callable[[str], RunningHub]) -> Iterator[RunningHub]:
    """Every release in turn."""
    yield from _undisturbed(hub_of(request.param))


@pytest.fixture
def hub_0_8_21(hub_of: Callable[[str], RunningHub]) -> Iterator[RunningHub]:
    yield from _undisturbed(hub_of("0.8.21"))


@pytest.fixture
def hub_0_8_30(hub_of: Callable[[str], RunningHub]) -> Iterator[RunningHub]:
    yield from _undisturbed(hub_of("0.8.30"))


@pytest.fixture
def hub_0_13(hub_of: Callable[[str], RunningHub]) -> Iterator[RunningHub]:
    yield from _undisturbed(hub_of("0.13"))


def _undisturbed(hub: RunningHub) -> Iterator[RunningHub]:
    yield hub
    hub.http.delete("/admin/faults")


@pytest.fixture
def fresh_hub(tmp_path: Path) -> Iterator[Callable[..., RunningHub]]:
    """Make a hub that the test may kill; what still runs at the end is ended."""
    made: list[RunningHub] = []

    def make(profile: str = "0.8.30", *extra: str) -> RunningHub:
        hub = _prepared(tmp_path / f"hub-{len(made)}", profile, *extra)
        made.append(hub)
        return hub.start()

    yield make
    for hub in made:
        if hub.process.poll() is None:
            hub.stop()
