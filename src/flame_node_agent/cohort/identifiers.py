"""Columns that identify a person directly are not given row by row.

What is looked at are names: those of the query's columns, and those of the columns that its SELECT lists take values
from, so that an alias does not help. Whoever names a column of the database otherwise has to tell the setting.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import sqlglot
from sqlglot import exp

from flame_node_agent.errors import Refused


class DirectIdentifiers:
    """The names that the setting lists, in any case."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(name.casefold() for name in names)

    def check(self, columns: Collection[str], sql: str, *, status: int) -> None:
        """Refuse a query, guarded and re-emitted as ``sql``, that gives any of them.

        Raises:
            Refused: with ``status``.
        """
        if not self._names:
            return
        tree: exp.Expr = sqlglot.parse_one(sql, read="postgres")
        found = {name for name in (*columns, *_sources(tree)) if name.casefold() in self._names}
        if found:
            named = ", ".join(sorted({name.casefold() for name in found}))
            raise Refused(status, f"Columns that identify people directly are not released by row: {named}.")
        if _renamed(tree):
            raise Refused(status, "Columns are released by row only when the query names each of them.")


def _sources(tree: exp.Expr) -> Iterator[str]:
    """Columns that a SELECT list, of the query or of any part of it, takes values from."""
    for select in tree.find_all(exp.Select):
        for listed in select.expressions:
            yield from (column.name for column in listed.find_all(exp.Column))


def _renamed(tree: exp.Expr) -> bool:
    """Whether columns that nobody names are given other names by their place."""
    by_alias = any(
        alias.columns and (_is_table(alias.parent) or _lists_all(alias.parent))
        for alias in tree.find_all(exp.TableAlias)
    )
    by_branch = any(_lists_all(both.expression) for both in tree.find_all(exp.SetOperation))
    return by_alias or by_branch


def _is_table(source: exp.Expr | None) -> bool:
    """Whether it is a table of the database; a function in its place has no columns but those that the alias names."""
    return isinstance(source, exp.Table) and not isinstance(source.this, exp.Func)


def _lists_all(source: exp.Expr | None) -> bool:
    """Whether a SELECT list in there is a star; the star of ``count(*)`` is none."""
    return source is not None and any(
        not isinstance(star.parent, exp.Count) for star in source.find_all(exp.Star)
    )
