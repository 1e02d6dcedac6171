"""The ground of these tests: one engine, one set of images, one trust with its hub, for the whole run.

They are collected only when they are asked for by name, as `make test-deploy` does: they need root and minutes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.engine import Engine, remove_leftovers
from tests.deploy.images import build_node, build_stand_ins, import_base
from tests.deploy.machine import alone, install_what_is_missing, leave_the_machines_engine_alone
from tests.deploy.outside import Outside
from tests.deploy.trust_host import TrustHost

HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave these tests alone unless the command names them."""
    named = any("deploy" in str(argument) and "unit" not in str(argument) for argument in config.args)
    return None if named or collection_path.name == "conftest.py" else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them, and give them the time that builds and restarts take."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("deploy")
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A running engine with all images in it."""
    install_what_is_missing()
    # With DEPLOY_ENGINE=<folder> the images stay there for the next run.
    kept = os.environ.get("DEPLOY_ENGINE")
    directory = Path(kept) if kept else tmp_path_factory.mktemp("engine")
    with alone():
        remove_leftovers()
        leave_the_machines_engine_alone()
        with Engine(directory) as running:
            running.forget()
            import_base(running)
            build_node(running)
            build_stand_ins(running)
            yield running
        if not kept:
            shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def trust(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrustHost]:
    """A trust that is up, with patients, beside its hub."""
    host = TrustHost(engine, tmp_path_factory.mktemp("host"))
    host.unpack()
    host.make_kit()
    host.make("up-local-trust")
    host.load_patients()
    yield host
    host.make("down-local-trust", check=False)


@pytest.fixture(scope="session")
def outside(trust: TrustHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    """The hub and the issuer, on the trust's way out."""
    outside = Outside(trust.engine, tmp_path_factory.mktemp("outside"), trust.stack)
    outside.start(trust.kit())
    yield outside
    outside.stop()
