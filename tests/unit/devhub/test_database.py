"""The state file: group commits, one writer, readers that see what was committed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from flame_node_agent.devstack.hub.database import Database
from flame_node_agent.devstack.hub.links import Linker, stop
from flame_node_agent.devstack.hub.profile import PROFILES


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(tmp_path / "state.sqlite3")
    await opened.write(lambda connection: connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)"))
    yield opened
    await asyncio.to_thread(opened.close)


def adding(number: int) -> Callable[[sqlite3.Connection], int]:
    def add(connection: sqlite3.Connection) -> int:
        connection.execute("INSERT INTO t VALUES (?)", (number,))
        return number

    return add


def numbers(connection: sqlite3.Connection) -> list[int]:
    return [row[0] for row in connection.execute("SELECT n FROM t ORDER BY n")]


async def test_many_writes_at_once_all_arrive(database: Database) -> None:
    assert await asyncio.gather(*(database.write(adding(n)) for n in range(1_000))) == list(range(1_000))
    assert await database.read(numbers) == list(range(1_000))


async def test_a_failing_write_undoes_itself_alone(database: Database) -> None:
    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (50)")
        connection.execute("INSERT INTO t VALUES (1)")

    outcomes = await asyncio.gather(
        database.write(adding(1)), database.write(half), database.write(adding(2)), return_exceptions=True
    )
    assert isinstance(outcomes[1], sqlite3.IntegrityError)
    assert await database.read(numbers) == [1, 2]


async def test_an_abandoned_write_still_happens(database: Database) -> None:
    task = asyncio.create_task(database.write(adding(7)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await database.write(adding(8))
    assert await database.read(numbers) == [7, 8]


async def test_closing_finishes_what_is_queued(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.sqlite3")
    await database.write(lambda connection: connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)"))
    writes = [asyncio.create_task(database.write(adding(n))) for n in range(600)]
    await asyncio.sleep(0)
    await asyncio.to_thread(database.close)
    await asyncio.gather(*writes)
    with sqlite3.connect(tmp_path / "state.sqlite3") as connection:
        assert len(numbers(connection)) == 600


async def test_commits_are_synchronous_and_foreign_keys_hold(database: Database) -> None:
    def pragmas(connection: sqlite3.Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    for ask in (database.read, database.write):
        assert await ask(pragmas) == ["wal", 2, 1]


async def test_a_linker_whose_write_failed_tries_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, failures = database.write, [sqlite3.OperationalError("disk I/O error")]
    tried: list[object] = []

    async def flaky(work: Callable[[sqlite3.Connection], object]) -> object:
        tried.append(work)
        if failures:
            raise failures.pop()
        return await write(lambda _: None)

    monkeypatch.setattr(database, "write", flaky)
    task = asyncio.create_task(Linker(database, PROFILES["0.13"], delay=0).run())
    async with asyncio.timeout(5):
        while len(tried) < 2:
            await asyncio.sleep(0.01)
    await stop(task)
    assert failures == []
