"""Whether the rows of a statement depend on the order in which the database happens to read the tables."""

from __future__ import annotations

import re

from flame_node_agent.cohort.guard.functions import AGGREGATES, WINDOW, words

_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
_WORD = re.compile(r"[a-z_][a-z0-9_]*")
_DISTINCT_ON = re.compile(r"\bdistinct\s+on\b")
_ORDERLESS = words("bool_and bool_or count every grouping max min")
_ORDERED = (AGGREGATES | WINDOW | words("fetch limit offset over")) - _ORDERLESS
"""Sums and averages are among them: of floating-point numbers they are rounded differently in another order."""


def follows_order(sql: str) -> bool:
    """Tell it of a statement that the guard has emitted, where words without quotes are keywords and functions.

    An ORDER BY is no reason to say no: rows that are equal in it have no order.
    """
    bare = _QUOTED.sub(" ", sql).lower()
    return bool(_DISTINCT_ON.search(bare)) or not _ORDERED.isdisjoint(_WORD.findall(bare))
