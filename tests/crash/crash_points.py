"""The named points at which an agent under test can be ended, and how each is reached.

The agent itself knows nothing of them: its own methods are wrapped from outside. A point is armed by a file of its
name in the folder that ``CRASH_ORDERS`` names; the file holds the signal the agent is to send itself there. Passing
the point uses the file up, so that every order is carried out once, also over restarts.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Any

from flame_node_agent.hub.core import HubCore
from flame_node_agent.hub.storage import HubStorage
from flame_node_agent.hub.tasks import TaskHub
from flame_node_agent.stores import journal_reports, outbox
from flame_node_agent.stores.journal import Journal
from flame_node_agent.stores.journal_reports import JournalReports
from flame_node_agent.stores.local_results import LocalResults
from flame_node_agent.stores.multipart import MultipartUpload
from flame_node_agent.stores.object_writer import ObjectWriter
from flame_node_agent.stores.objects import ObjectStore
from flame_node_agent.stores.outbox import Outbox
from flame_node_agent.tasks.perform import Tasks

ORDERS = "CRASH_ORDERS"
MID_UPLOAD_BYTES = 2 * 1024 * 1024

Method = Callable[..., Awaitable[Any]]


class Point(StrEnum):
    """Where an agent can end. Each names what has happened last, or what is about to happen."""

    BEFORE_STORING = "before-storing"
    PART_STORED = "part-stored"
    OBJECT_STORED = "object-stored"
    RESULT_COMMITTED = "result-committed"
    REQUEST_COMMITTED = "request-committed"
    NAME_NOTED = "name-noted"
    MID_UPLOAD = "mid-upload"
    UPLOADED = "uploaded"
    DEPARTURE_WRITTEN = "departure-written"
    UPLOAD_NOTED = "upload-noted"
    BEFORE_LINK = "before-link"
    LINKED = "linked"
    BEFORE_CLOSING = "before-closing"
    CLOSED = "closed"
    FILE_TAKEN_BACK = "file-taken-back"
    BEFORE_RETRACTED = "before-retracted"
    BEFORE_LOCAL_RECORD = "before-local-record"
    LOCAL_RECORDED = "local-recorded"
    OBJECT_DELETED = "object-deleted"
    BEFORE_SWEEPING = "before-sweeping"
    TASKS_FETCHED = "tasks-fetched"
    TASKS_COMMITTED = "tasks-committed"
    TASKS_CLAIMED = "tasks-claimed"
    TASK_PERFORMED = "task-performed"
    OUTCOME_COMMITTED = "outcome-committed"
    REPORTS_CLAIMED = "reports-claimed"
    REPORT_SENT = "report-sent"
    REPORT_DEPARTURE_WRITTEN = "report-departure-written"
    REPORT_CLOSED = "report-closed"


@dataclass(frozen=True)
class _Hook:
    """The coroutine function ``name`` of ``owner``, and on which side of it the point lies."""

    owner: Any
    name: str
    after: bool


_HOOKS: dict[Point, _Hook] = {
    Point.BEFORE_STORING: _Hook(ObjectWriter, "_put_whole", after=False),
    Point.PART_STORED: _Hook(MultipartUpload, "put", after=True),
    Point.OBJECT_STORED: _Hook(ObjectStore, "put", after=True),
    Point.RESULT_COMMITTED: _Hook(Outbox, "enqueue", after=True),
    Point.REQUEST_COMMITTED: _Hook(Outbox, "begin", after=True),
    Point.NAME_NOTED: _Hook(Outbox, "begin_upload", after=True),
    Point.UPLOADED: _Hook(HubStorage, "upload", after=True),
    # Within the transaction that notes the upload, so that all of it is undone.
    Point.DEPARTURE_WRITTEN: _Hook(outbox, "append", after=True),
    Point.UPLOAD_NOTED: _Hook(Outbox, "mark_uploaded", after=True),
    Point.BEFORE_LINK: _Hook(HubCore, "link", after=False),
    Point.LINKED: _Hook(HubCore, "link", after=True),
    Point.BEFORE_CLOSING: _Hook(Outbox, "mark_delivered", after=False),
    Point.CLOSED: _Hook(Outbox, "mark_delivered", after=True),
    Point.FILE_TAKEN_BACK: _Hook(HubStorage, "delete_file", after=True),
    Point.BEFORE_RETRACTED: _Hook(Outbox, "mark_retracted", after=False),
    Point.BEFORE_LOCAL_RECORD: _Hook(LocalResults, "record", after=False),
    Point.LOCAL_RECORDED: _Hook(LocalResults, "record", after=True),
    Point.OBJECT_DELETED: _Hook(ObjectStore, "delete", after=True),
    Point.BEFORE_SWEEPING: _Hook(ObjectStore, "abort_unfinished", after=False),
    Point.TASKS_FETCHED: _Hook(TaskHub, "pending", after=True),
    Point.TASKS_COMMITTED: _Hook(Journal, "receive", after=True),
    Point.TASKS_CLAIMED: _Hook(Journal, "claim", after=True),
    Point.TASK_PERFORMED: _Hook(Tasks, "perform", after=True),
    Point.OUTCOME_COMMITTED: _Hook(Journal, "finish", after=True),
    Point.REPORTS_CLAIMED: _Hook(JournalReports, "claim", after=True),
    Point.REPORT_SENT: _Hook(TaskHub, "report", after=True),
    # Within the transaction that closes the task, so that all of it is undone.
    Point.REPORT_DEPARTURE_WRITTEN: _Hook(journal_reports, "append_all", after=True),
    Point.REPORT_CLOSED: _Hook(JournalReports, "close", after=True),
}


def arm(orders: Path, point: Point, order: signal.Signals) -> None:
    """Let the agent that watches ``orders`` send itself ``order`` the next time it comes to ``point``."""
    (orders / point).write_text(order.name, encoding="ascii")


def install() -> None:
    """Wrap the methods of this process; the orders are read each time one is called."""
    orders = Path(os.environ[ORDERS])
    for point, hook in _HOOKS.items():
        wrapped = _wrapped(getattr(hook.owner, hook.name), orders, point, after=hook.after)
        setattr(hook.owner, hook.name, wrapped)
    setattr(HubStorage, "upload", _ending_in_the_middle(HubStorage.upload, orders))  # noqa: B010 - as above


def _wrapped(method: Method, orders: Path, point: Point, *, after: bool) -> Method:
    @wraps(method)
    async def call(*args: Any, **kwargs: Any) -> Any:
        if not after:
            _pass(orders, point)
        result = await method(*args, **kwargs)
        if after:
            _pass(orders, point)
        return result

    return call


def _ending_in_the_middle(upload: Method, orders: Path) -> Method:
    @wraps(upload)
    async def call(*args: Any, chunks: Callable[[], AsyncIterator[bytes]], **kwargs: Any) -> Any:
        async def watched() -> AsyncIterator[bytes]:
            sent = 0
            async for chunk in chunks():
                yield chunk
                sent += len(chunk)
                if sent >= MID_UPLOAD_BYTES:
                    _pass(orders, Point.MID_UPLOAD)

        return await upload(*args, chunks=watched, **kwargs)

    return call


def _pass(orders: Path, point: Point) -> None:
    order = orders / point
    try:
        wanted = order.read_text(encoding="ascii")
        order.unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.Signals[wanted])
