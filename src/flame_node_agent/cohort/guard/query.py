"""One query's way through the guard: read, parsed, checked, written anew, and checked once more."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from flame_node_agent.cohort.guard.casts import write_casts
from flame_node_agent.cohort.guard.lexer import read
from flame_node_agent.cohort.guard.limits import check_limits
from flame_node_agent.cohort.guard.moments import check_moments
from flame_node_agent.cohort.guard.rows import check_columns
from flame_node_agent.cohort.guard.structure import check_no_changes, check_structure
from flame_node_agent.cohort.guard.tables import pin_tables
from flame_node_agent.cohort.guard.tokens import Token, Unreadable
from flame_node_agent.cohort.guard.types import check_types
from flame_node_agent.cohort.guard.vocabulary import check_words
from flame_node_agent.errors import Refused

MAX_CHARACTERS = 10240
"""Longest query (FLIP data-access-api, query validation)."""

_DIALECT = "postgres"
_TOP = (exp.Select, exp.SetOperation)

# sqlglot logs statements that it does not know, with their text; SQL is never logged here.
logging.getLogger("sqlglot").addFilter(lambda _: False)


@dataclass(frozen=True)
class GuardedQuery:
    """A query that may run.

    ``sql`` is the only text that does: one statement in PostgreSQL's dialect without a semicolon, comments or
    parameters, its tables qualified, so it can stand in brackets in a larger statement. ``hash`` are the 64 hex digits
    of SHA-256 over the source with its white space normalised, in lower case (FLIP data-access-api, snapshots): a name
    for logs and comparison. It does not tell ``'M'`` from ``'m'``; whoever looks up answers by query must go by
    ``sql``.
    """

    sql: str = field(repr=False)
    hash: str

    @property
    def short_hash(self) -> str:
        """The first 12 hex digits of the hash, for logs."""
        return self.hash[:12]


def guard(query: str) -> GuardedQuery:
    """Check ``query`` and write it anew. CPU-bound, up to half a second for the longest: call it in a thread.

    Raises:
        Refused: 400 with the texts of FLIP data-access-api's query validation; nothing else, whatever is given.
    """
    try:
        return _guard(query)
    except Refused:
        raise
    except Exception as error:  # whatever a parser does with hostile text
        raise Refused(400, "Could not validate query.") from error


def _guard(query: str) -> GuardedQuery:
    if len(query) > MAX_CHARACTERS:
        raise Refused(400, f"Query exceeds maximum length of {MAX_CHARACTERS} characters.")
    sql = _rewritten(query)
    # What was written must be read as what was checked: it has to pass all checks itself, and come out the same.
    if _rewritten(sql) != sql:
        raise Refused(400, "Could not validate query.")
    return GuardedQuery(sql=sql, hash=query_hash(query))


def _rewritten(query: str) -> str:
    """Check ``query`` and write it anew."""
    tree, tokens = _parse(query)
    if sum(token.text == ";" for token in tokens[:-1]) or tree is None:
        raise Refused(400, "Exactly one SQL statement is allowed per request.")
    if not isinstance(tree, _TOP):
        raise Refused(400, "Only SELECT statements are allowed.")
    check_no_changes(tree)
    _fold(tree)
    pin_tables(tree)
    check_structure(tree)
    check_types(tree)
    check_columns(tree)
    check_limits(tree)
    check_moments(tree)
    write_casts(tree)
    sql = _emit(tree)
    check_words(read(sql)[0])
    return sql


def query_hash(query: str) -> str:
    """SHA-256 of the query, its white space normalised and in lower case, as 64 hex digits."""
    return hashlib.sha256(" ".join(query.split()).lower().encode(errors="replace")).hexdigest()


def _parse(query: str) -> tuple[exp.Expr | None, list[Token]]:
    """The one statement's tree (None if there are none or several), and the tokens."""
    try:
        tokens, text = read(query)
        statements = sqlglot.parse(text, read=_DIALECT)
    except Unreadable as error:
        raise Refused(400, f"Could not parse SQL query: {error}.") from error
    except SqlglotError as error:
        raise Refused(400, f"Could not parse SQL query: {_place(error)}.") from error
    return (statements[0] if len(statements) == 1 else None), tokens


def _place(error: SqlglotError) -> str:
    """Where the parser stopped; its own text quotes the query."""
    for problem in getattr(error, "errors", []):
        line, column = problem.get("line"), problem.get("col")
        if line and column:
            return f"syntax error at line {line}, column {column}"
    return "syntax error"


def _fold(tree: exp.Expr) -> None:
    """Fold names as PostgreSQL does (4.1.1: lower case unless quoted), and quote all of them."""
    for identifier in tree.find_all(exp.Identifier):
        if not identifier.args.get("quoted"):
            identifier.set("this", identifier.this.lower())
            identifier.set("quoted", True)


def _emit(tree: exp.Expr) -> str:
    return tree.sql(dialect=_DIALECT, identify=True, comments=False, unsupported_level=ErrorLevel.RAISE)
