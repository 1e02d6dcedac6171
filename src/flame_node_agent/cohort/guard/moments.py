"""The current time in a query. A statement has to mean the same cohort whenever it runs.

Disclosure control runs earlier statements again, to compare them with a new one. One that says ``now()`` could be
about one cohort when it is answered and about another of the same size when it is compared. So the current time is
written out as a day (:func:`pinned`), and texts in the query that PostgreSQL reads as the current time are refused.
Texts that the query makes, or finds in the data, are :mod:`.casts`' business.
"""

from __future__ import annotations

import re
from datetime import date

import sqlglot
from sqlglot import exp

from flame_node_agent.cohort.guard.casts import SPECIAL
from flame_node_agent.errors import Refused

_SPECIAL = re.compile(rf"(?<![a-z])({'|'.join(SPECIAL)})(?![a-z])", re.IGNORECASE | re.ASCII)
"""Beside a digit it is a word of its own, as in '00:00today' (PostgreSQL, ``ParseDateTime``)."""

_DROPPED = re.compile(r'[\\"]')
"""What PostgreSQL takes out of elements of arrays: '{to\\day}' has today in it."""

_PATTERNS = (exp.Like, exp.ILike, exp.SimilarTo, exp.Escape, exp.RegexpLike, exp.RegexpILike)


def check_moments(query: exp.Expr) -> None:
    """Refuse texts that mean the current time.

    Raises:
        Refused: 400.
    """
    for text in query.find_all(exp.Literal):
        if not text.is_string or isinstance(text.parent, _PATTERNS):
            continue
        found = _SPECIAL.search(text.name) or _SPECIAL.search(_DROPPED.sub("", text.name))
        if found:
            raise Refused(400, f"Texts with '{found.group().lower()}' are not allowed; use CURRENT_DATE.")


def pinned(sql: str, today: date) -> str:
    """Write the current time out, as the beginning of ``today`` in UTC, in a statement that the guard has emitted."""
    if not re.search(r"\b(CURRENT_DATE|CURRENT_TIMESTAMP|LOCALTIMESTAMP|AGE)\b", sql):
        return sql
    tree: exp.Expr = sqlglot.parse_one(sql, read="postgres")
    return tree.transform(_pin, today.isoformat()).sql(dialect="postgres", identify=True)


def _pin(node: exp.Expr, day: str) -> exp.Expr:
    midnight = f"{day} 00:00:00"
    match node:
        case exp.CurrentDate():
            return exp.cast(exp.Literal.string(day), "date")
        case exp.CurrentTimestamp():
            return exp.cast(exp.Literal.string(f"{midnight}+00"), "timestamptz", dialect="postgres")
        case exp.Localtimestamp():
            return exp.cast(exp.Literal.string(midnight), "timestamp", dialect="postgres")
        case exp.Anonymous(this=str() as name) if name.lower() == "age" and len(node.expressions) == 1:
            # As PostgreSQL has it: the time since, up to the midnight that began today.
            since = exp.cast(exp.Literal.string(f"{midnight}+00"), "timestamptz", dialect="postgres")
            return exp.Anonymous(this=name, expressions=[since, node.expressions[0]])
        case _:
            return node
