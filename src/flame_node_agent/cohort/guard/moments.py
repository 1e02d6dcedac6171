"""The current time in a query. A statement has to mean the same cohort whenever it runs.

Disclosure control runs earlier statements again, to compare them with a new one. One that says ``now()`` could be
about one cohort when it is answered and about another of the same size when it is compared. So the current time is
written out as a day (:func:`pinned`), and texts that PostgreSQL reads as the current time ("PostgreSQL documentation,
8.5.1.4 Special Values") are refused.
"""

from __future__ import annotations

import re
from datetime import date

import sqlglot
from sqlglot import exp

from flame_node_agent.cohort.guard.functions import name_of
from flame_node_agent.errors import Refused

_SPECIAL = re.compile(r"(?<![a-z0-9])(now|today|tomorrow|yesterday)(?![a-z0-9])", re.IGNORECASE)
_DATE_FORMAT = re.compile(r"[^A-Za-z]*(?:[YMDHISTZmdjg][^A-Za-z]*)*")
"""Formats of to_char that give digits, in PostgreSQL's letters and in sqlglot's. No special value has these letters
alone."""

_TIMES = frozenset({exp.DType.DATE, exp.DType.TIME, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ})
_TEXTS = frozenset({exp.DType.TEXT, exp.DType.VARCHAR, exp.DType.CHAR, exp.DType.BPCHAR, exp.DType.ARRAY})
_PATTERNS = (exp.Like, exp.ILike, exp.SimilarTo, exp.Escape, exp.RegexpLike, exp.RegexpILike)
_NO_TEXT = (
    exp.Predicate,
    exp.Connector,
    exp.Interval,
    exp.TimestampTrunc,
    exp.DateBin,
    exp.Extract,
    exp.StrToDate,
    exp.StrToTime,
    exp.DateFromParts,
    exp.TimestampFromParts,
    exp.Count,
    exp.Where,
    exp.Group,
    exp.Having,
)
"""What makes no text, whatever texts are in it."""


def check_moments(query: exp.Expr) -> None:
    """Refuse texts that mean the current time, and such as could be put together to one.

    Raises:
        Refused: 400.
    """
    for text in query.find_all(exp.Literal):
        found = _SPECIAL.search(text.name) if text.is_string else None
        if found and not isinstance(text.parent, _PATTERNS):
            raise Refused(400, f"Texts with '{found.group().lower()}' are not allowed; use CURRENT_DATE.")
    for cast in query.find_all(exp.Cast, exp.Date):
        made = cast.this
        if _to_time(cast) and not isinstance(made, exp.Literal) and _spells(made, query, set()):
            raise Refused(400, "Texts with letters must not be put together to dates or times.")


def _to_time(cast: exp.Expr) -> bool:
    return isinstance(cast, exp.Date) or any(
        kind.this in _TIMES for kind in cast.args["to"].find_all(exp.DataType)
    )


def _spells(made: exp.Expr, query: exp.Expr, seen: set[str]) -> bool:
    """Whether letters that stand in the query can get into the text that ``made`` is."""
    if isinstance(made, _NO_TEXT) or (isinstance(made, exp.Cast) and made.args["to"].this not in _TEXTS):
        return False
    if isinstance(made, exp.AtTimeZone):
        return _spells(made.this, query, seen)
    if isinstance(made, exp.Literal):
        return made.is_string and not _DATE_FORMAT.fullmatch(made.name)
    if isinstance(made, exp.Column):
        name = made.name
        if name in seen:
            return False
        seen.add(name)
        return any(_spells(source, query, seen) for source in _sources(name, query))
    return any(_spells(part, query, seen) for part in made.iter_expressions())


def _sources(name: str, query: exp.Expr) -> list[exp.Expr]:
    """What a column of that name may take its values from, anywhere in the query; no scopes, so rather too much."""
    if re.fullmatch(r"column[0-9]+|\?column\?", name):
        return [query]
    found = []
    for node in query.walk():
        match node:
            case exp.Alias() if node.alias == name:
                found.append(node.this)
            case exp.TableAlias(parent=exp.Expr() as parent) if name in {
                node.name,
                *(column.name for column in node.columns),
            }:
                found.append(parent)
            case exp.Case() if name == "case":
                found.append(node)
            case exp.Func() if name_of(node) == name:
                found.append(node)
            case _:
                pass
    return found


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
