"""Linking uploaded files to their analysis: by the node in 0.8.21, by the hub itself since 0.8.22."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Mapping
from typing import Any

import structlog

from flame_node_agent.devstack.hub import records
from flame_node_agent.devstack.hub.database import Database
from flame_node_agent.devstack.hub.entities import (
    ANALYSIS,
    ANALYSIS_BUCKET,
    ANALYSIS_BUCKET_FILE,
    BUCKET_FILE,
)
from flame_node_agent.devstack.hub.payloads import check_lengths
from flame_node_agent.devstack.hub.profile import Profile
from flame_node_agent.devstack.hub.records import Row
from flame_node_agent.devstack.hub.refusals import Refusal, bad_request, duplicate

log = structlog.get_logger(__name__)

LINK_DELAY_SECONDS = 0.05


def add_link(connection: sqlite3.Connection, profile: Profile, values: Mapping[str, Any]) -> Row:
    """Insert an analysis bucket file.

    From 0.8.22 on UNIQUE(analysis_id, path) holds. 0.8.21 is taken to accept a repeat: the worst case for a node,
    which then sees two links in the admin API.
    """
    analysis_bucket = records.get(connection, ANALYSIS_BUCKET, values["analysis_bucket_id"])
    if analysis_bucket is None:
        raise bad_request("Can't find analysis_bucket entity by analysis_bucket_id.")
    analysis = records.get(connection, ANALYSIS, analysis_bucket["analysis_id"])
    if not profile.links_by_itself:
        if analysis and analysis["configuration_locked"] and analysis_bucket["type"] == "CODE":
            raise bad_request("The analysis has already been locked.")
    else:
        taken = connection.execute(
            "SELECT 1 FROM analysis_bucket_files WHERE analysis_id = ? AND path = ?",
            (analysis_bucket["analysis_id"], values["path"]),
        ).fetchone()
        if taken:
            raise duplicate(profile)
    full = {
        "bucket_id": analysis_bucket["bucket_id"],
        **values,
        "analysis_id": analysis_bucket["analysis_id"],
        "realm_id": analysis_bucket["realm_id"],
    }
    check_lengths(ANALYSIS_BUCKET_FILE, full)
    return records.insert(connection, ANALYSIS_BUCKET_FILE, full)


class Linker:
    """Links files a moment after their upload. What is due is in the database, so a killed hub links after restart."""

    def __init__(self, database: Database, profile: Profile, delay: float = LINK_DELAY_SECONDS) -> None:
        self._database = database
        self._profile = profile
        self._delay = delay
        self._due = asyncio.Event()
        self._due.set()

    def wake(self) -> None:
        """Something was uploaded."""
        self._due.set()

    async def run(self) -> None:
        """Link until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            await asyncio.sleep(self._delay)
            try:
                await self._database.write(self._link_due)
            except sqlite3.Error:
                log.exception("devhub.linking_failed")
                self._due.set()

    def _link_due(self, connection: sqlite3.Connection) -> None:
        for file in records.find_all(connection, BUCKET_FILE, "link_due", 1):
            connection.execute("UPDATE bucket_files SET link_due = 0 WHERE id = ?", (file["id"],))
            bucket = records.find(connection, ANALYSIS_BUCKET, "bucket_id", file["bucket_id"])
            if bucket is None:
                continue
            values = {"path": file["path"], "bucket_file_id": file["id"], "analysis_bucket_id": bucket["id"]}
            if file["actor_type"] in {"user", "robot"}:
                values[f"{file['actor_type']}_id"] = file["actor_id"]
            try:
                add_link(connection, self._profile, values)
            except Refusal as refusal:
                # As in real hubs, where the failure of the event handler is only logged: the file stays unlinked.
                log.warning("devhub.link_refused", file=file["id"], path=file["path"], reason=refusal.message)


async def stop(task: asyncio.Task[None]) -> None:
    """Cancel the linker's task and wait for its end."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
