"""The hub's memory: one SQLite file, one writer thread that commits in groups, readers beside it.

A write is acknowledged when its commit has reached the disk (WAL, ``synchronous=FULL``). Writes that wait at the same
time share one commit, each in its own savepoint, so that many small uploads cost few disk flushes.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

_GROUP = 256


@dataclass(frozen=True)
class _Job:
    """One transaction's work and where its outcome goes."""

    work: Callable[[sqlite3.Connection], Any]
    outcome: Future[Any]


class Database:
    """The state file ``path``; :meth:`write` and :meth:`read` may be called from any task of the event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._local = threading.local()
        self._readers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="hub-read")
        self._writer = threading.Thread(target=self._write_all, name="hub-write", daemon=True)
        self._writer.start()

    async def write[T](self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` as one transaction; returns after its commit. What ``work`` raises undoes it alone."""
        outcome: Future[T] = Future()
        self._jobs.put(_Job(work, outcome))
        # Shielded: work that is queued happens, also when the request that asked for it is gone.
        return await asyncio.shield(asyncio.wrap_future(outcome))

    async def read[T](self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` on a reader's connection; it sees everything committed before."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    def close(self) -> None:
        """Finish what is queued and close the file."""
        self._jobs.put(None)
        self._writer.join()
        self._readers.shutdown()

    def _read[T](self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        return work(connection)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=30, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA case_sensitive_like = ON")
        return connection

    def _write_all(self) -> None:
        connection = self._connect()
        while group := self._next_group():
            _commit_together(connection, group)
        connection.close()

    def _next_group(self) -> list[_Job]:
        """What waits now, at least one job; nothing when the database closes."""
        job = self._jobs.get()
        group: list[_Job] = []
        while job is not None:
            group.append(job)
            if len(group) == _GROUP:
                return group
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return group
        if group:
            # Closing: hand out these first, and find the sign again on the next call.
            self._jobs.put(None)
        return group


def _commit_together(connection: sqlite3.Connection, group: list[_Job]) -> None:
    outcomes: list[tuple[_Job, Any, BaseException | None]] = []
    try:
        connection.execute("BEGIN IMMEDIATE")
        for job in group:
            connection.execute("SAVEPOINT job")
            try:
                outcomes.append((job, job.work(connection), None))
            except Exception as error:  # noqa: BLE001 # it belongs to the caller, who gets it from the future
                connection.execute("ROLLBACK TO job")
                outcomes.append((job, None, error))
            connection.execute("RELEASE job")
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        outcomes = [(job, None, error) for job in group]
    for job, result, failure in outcomes:
        if failure is None:
            job.outcome.set_result(result)
        else:
            job.outcome.set_exception(failure)
