"""Counted cohorts, kept in memory for a while (FLIP data-access-api, section "cache").

What is kept are aggregates before disclosure control, which is applied anew to each answer: with the threshold of the
day, and against what that project was told before. So one entry serves all projects and thresholds.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable

from flame_node_agent.cohort.summary import CohortSummary

_SECONDS_OF_A_DAY = 86_400.0


def statement_hash(sql: str) -> str:
    """SHA-256, in hex, of a statement as the guard writes it.

    The guard's spelling is always the same, whatever the white space and case of the query; what stands in quotes is as
    it was, since there it makes a difference.
    """
    return hashlib.sha256(sql.encode()).hexdigest()


class SummaryCache:
    """The latest summaries, by statement."""

    def __init__(
        self,
        *,
        ttl_days: float,
        max_entries: int,
        max_rows: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Entries older than ``ttl_days`` are forgotten, and beyond ``max_entries`` the oldest.

        A summary of more than ``max_rows`` kinds of subjects is not kept.
        """
        self._ttl = ttl_days * _SECONDS_OF_A_DAY
        self._max_entries = max_entries
        self._max_rows = max_rows
        self._clock = clock
        self._entries: OrderedDict[str, tuple[float, CohortSummary]] = OrderedDict()

    def get(self, sql: str) -> CohortSummary | None:
        """The summary of a statement, if it is known and not too old."""
        key = statement_hash(sql)
        made, summary = self._entries.get(key, (0.0, None))
        if summary is not None and self._clock() - made > self._ttl:
            del self._entries[key]
            return None
        return summary

    def put(self, sql: str, summary: CohortSummary) -> None:
        """Keep a summary."""
        if len(summary.cells) > self._max_rows:
            return
        key = statement_hash(sql)
        self._entries.pop(key, None)
        self._entries[key] = (self._clock(), summary)
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
